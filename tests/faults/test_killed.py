"""A process killed at random moments: every folder that was handed out has its entry, and the log verifies."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading

import orjson
from sqlalchemy import select

from audit.__main__ import main as audit_main
from governance.store.tables import decisions, releases

ROUNDS = 3


def test_killed_at_random_moments_the_house_reopens_with_an_entry_for_every_release(data, reopened, world, ask, tmp_path) -> None:
    chance = random.Random(20261122)
    records, out, request = world / "records" / ask("04")["dataset"], tmp_path / "out", tmp_path / "request.json"
    out.mkdir()
    request.write_text(json.dumps(ask("04")))
    finished: list[str] = []
    for _ in range(ROUNDS):
        finished += kill_soon([str(data), str(records), str(request), str(out)], after=chance.randint(1, 2), wait=chance.uniform(0, 0.2))
    assert len(finished) >= ROUNDS

    with reopened() as house, house.engine.connect() as connection:
        logged = {row.id for row in connection.execute(select(decisions))}
        count = len(connection.execute(select(releases)).all())
        assert house.log.export("demo", tmp_path / "served") == house.log.size("demo")
    assert audit_main(["verify", str(tmp_path / "served")]) == 0

    handed_out = sorted(path for path in out.iterdir() if not path.name.startswith("."))
    assert set(finished) <= {path.name for path in handed_out}
    assert len(handed_out) <= count <= len(handed_out) + ROUNDS  # killed between commit and name: it counts as sent
    for folder in handed_out:
        assert orjson.loads((folder / "decision.json").read_bytes())["id"] in logged
        assert audit_main(["verify-receipt", str(folder / "receipt.tlog-proof"), "--key", str(tmp_path / "served" / "key")]) == 0
        manifest = orjson.loads((folder / "manifest.json").read_bytes())
        assert manifest["records"] == len([orjson.loads(p.read_bytes()) for p in (folder / "records").iterdir()])
    for leftover in out.glob(".*"):
        assert leftover.name.endswith(".partial")
        assert leftover.stat().st_mode & 0o077 == 0
        assert not (out / leftover.name.split(".")[1]).exists()


def kill_soon(arguments: list[str], *, after: int, wait: float) -> list[str]:
    """Start the loop, kill it a moment after so many releases, and return what it said it had finished."""
    with subprocess.Popen([sys.executable, "-m", "tests.faults.crash", *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        finished = [process.stdout.readline().strip() for _ in range(after)]
        killing = threading.Timer(wait, process.kill)
        killing.start()
        finished += [line.strip() for line in process.stdout if line.endswith("\n")]
        killing.join()
    assert process.returncode == -9
    return finished
