"""The demo runs the main job on a world of any seed and leaves what it says it leaves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from governance.demo.run import run_demo
from governance.errors import InputError


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run([sys.executable, "-m", "governance.cli", "demo", "--out", str(out), "--patients", "60", "--seed", "3", "--json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_everything_lies_under_the_folder(ran) -> None:
    out, report = ran
    for name in ("safe-conduct.db", "keys/keys.db", "keys/ring.json", "log/checkpoint", "log/key", "log/tile", "world/requests"):
        assert (out / name).exists(), name
    for answer in report["answers"]:
        if answer["folder"] is not None:
            assert len(list((out / "released" / answer["name"] / "records").iterdir())) == answer["records"] > 0


def test_every_answer_has_a_receipt_and_a_reason_or_duty_or_what_is_missing(ran) -> None:
    _, report = ran
    assert len(report["answers"]) >= 12
    for answer in report["answers"]:
        decision = answer["decision"]
        assert decision["receipt"]["proof"].startswith("c2sp.org/tlog-proof@v1\n")
        assert decision["reasons"] or decision["missing"]
    effects = {(a["decision"]["effect"], a["decision"]["refer"]) for a in report["answers"]}
    assert {("permit", None), ("deny", None), ("refer", "missing-facts"), ("refer", "human-judgement")} <= effects


def test_the_log_verifies_again_and_a_changed_byte_is_found(ran, tmp_path) -> None:
    out, report = ran
    assert report["log"]["verified"] is True
    bundle = next((out / "log" / "tile" / "entries").rglob("*.p/*"))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(bytes(data))
    done = subprocess.run([sys.executable, "-m", "audit", "verify", str(out / "log")], capture_output=True, text=True, check=False)
    data[len(data) // 2] ^= 1
    bundle.write_bytes(bytes(data))
    assert done.returncode == 4
    assert "entries" in done.stdout + done.stderr


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no demo made"):
        run_demo(tmp_path, patients=40, seed=1, as_json=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
