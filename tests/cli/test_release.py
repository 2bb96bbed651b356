"""``safe-conduct release`` and ``audit``: records out, receipt and log that a stranger can check."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from audit.__main__ import main as audit_main
from governance.cli.main import app


@pytest.fixture
def source(world):
    return lambda number: world / "records" / json.loads(next((world / "requests").glob(f"{number}-*.json")).read_text())["dataset"]


def test_a_release_hands_out_records_named_by_ordinal_and_a_receipt_that_verifies(run, at, asked, source, tmp_path) -> None:
    out = tmp_path / "deep" / "out"
    ran = run("release", source("02"), "--request", asked("02", profiles=["gdpr-pseudonymised"]), "--out", out, "--json", *at)
    assert (ran.code, ran.err) == (0, "")
    count = ran.document["subjects"]["in"]
    assert ran.document["release"]["records"] == count > 0
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == [
        "decision.json", "manifest.json", "receipt.tlog-proof",
        *(f"records/{n:06d}.json" for n in range(1, count + 1))]
    assert run("audit", "export", tmp_path / "log", "--role", "officer", *at).code == 0
    assert audit_main(["verify", str(tmp_path / "log")]) == 0
    assert audit_main(["verify-receipt", str(out / "receipt.tlog-proof"), "--key", str(tmp_path / "log" / "key")]) == 0


def test_a_denied_and_a_referred_release_hand_out_nothing(run, at, asked, source, tmp_path) -> None:
    for number, code in (("14", 3), ("15", 5)):
        ran = run("release", source(number), "--request", asked(number), "--out", tmp_path / "out", "--json", *at)
        assert (ran.code, "release" in ran.document) == (code, False)
        assert not (tmp_path / "out").exists()


def test_a_release_to_a_folder_that_exists_is_refused(run, at, asked, source, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    ran = run("release", source("02"), "--request", asked("02"), "--out", out, *at)
    assert ran.code == 2
    assert "--out: the target exists already" in ran.err
    assert [p.name for p in out.iterdir()] == ["mine.txt"]


def test_a_release_where_nothing_can_be_written_is_a_fault_of_the_machine(run, at, asked, source, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    ran = run("release", source("02"), "--request", asked("02"), "--out", tmp_path / "file" / "out", "--json", *at)
    assert (ran.code, ran.document["error"]["code"]) == (1, "fault")


def test_an_idempotency_key_releases_once(run, at, asked, source, tmp_path) -> None:
    request = asked("02")
    first = run("release", source("02"), "--request", request, "--out", tmp_path / "a", "--idempotency-key", "k", "--json", *at)
    again = run("release", source("02"), "--request", request, "--out", tmp_path / "b", "--idempotency-key", "k", "--json", *at)
    assert (again.code, again.document["error"]["code"]) == (2, "conflict")
    assert first.document["id"] in again.document["error"]["message"]
    assert not (tmp_path / "b").exists()


def test_records_that_are_not_there_or_broken_are_refused(run, at, asked, tmp_path) -> None:
    (tmp_path / "hildegard.json").write_text("{")
    (tmp_path / "empty").mkdir()
    for name in ("hildegard.json", "empty", "nothing"):
        ran = run("release", tmp_path / name, "--request", asked("02"), "--out", tmp_path / "out", *at)
        assert ran.code == 2
        assert "hildegard" not in ran.err
        assert not (tmp_path / "out").exists()


def test_a_byte_flipped_in_a_served_tile_is_found_and_named(run, at, tmp_path) -> None:
    folder = tmp_path / "log"
    ran = run("audit", "export", folder, "--role", "auditor", "--json", *at)
    assert ran.document["size"] > 0
    assert subprocess.run([sys.executable, "-m", "audit", "verify", str(folder)], capture_output=True, check=False,
                          cwd="/").returncode == 0
    for tile in sorted(p for p in (folder / "tile").rglob("*") if p.is_file()):
        good = tile.read_bytes()
        tile.write_bytes(good[:5] + bytes([good[5] ^ 1]) + good[6:])
        assert audit_main(["verify", str(folder)]) == 4, tile
        tile.write_bytes(good)
    tile.write_bytes(good[:-1])
    broken = subprocess.run([sys.executable, "-m", "audit", "verify", str(folder)], capture_output=True, check=False, text=True)
    assert broken.returncode == 4
    assert tile.relative_to(folder).as_posix() in broken.stdout
    assert audit_main(["verify", str(tmp_path)]) == 2


def test_a_patients_account_needs_a_reason_and_a_role(run, at, asked) -> None:
    patient = json.loads(asked("01").read_text())["subjects"]["ids"][0]
    decided = run("decide", asked("01"), "--json", *at).document
    ran = run("audit", "account", patient, "--reason", "request", "--role", "officer", "--json", *at)
    assert any(line.get("decision") == decided["id"] for line in ran.document)
    assert run("audit", "account", patient, "--reason", "request", "--role", "officer", *at).out.rstrip().endswith("entries")
    assert run("audit", "account", patient, "--reason", "curious", "--role", "officer", *at).code == 2
    assert run("audit", "account", patient, "--reason", "request", *at).code == 2
    entry = run("audit", "entry", decided["receipt"]["index"], "--role", "officer", "--json", *at)
    assert decided["id"] in entry.out
    assert patient not in entry.out
    assert run("audit", "entry", 10**6, "--role", "officer", "--json", *at).document["error"]["code"] == "not-found"


def test_a_log_that_was_signed_further_than_the_database_knows_stops_everything_with_four(run, at, asked, home, registered) -> None:
    assert run("decide", asked("01"), *at).code == 0
    for name in ("safe-conduct.db", "safe-conduct.db-wal", "safe-conduct.db-shm"):
        (home / name).unlink(missing_ok=True)
        if (registered / name).exists():
            shutil.copy(registered / name, home / name)
    ran = run("decide", asked("01"), "--json", *at)
    assert (ran.code, ran.document["error"]["code"]) == (4, "integrity")
    assert ran.document["error"]["hint"]


def commands() -> list[tuple[str, ...]]:
    """Every command of the command line, as it is registered."""
    found: list[tuple[str, ...]] = [()]
    for group, part in [((), app), *(((g.name,), g.typer_instance) for g in app.registered_groups)]:
        found += [group] if group else []
        found += [(*group, c.name or c.callback.__name__.replace("_", "-")) for c in part.registered_commands]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_explains_itself(run, command) -> None:
    ran = run(*command, "--help")
    assert ran.code == 0
    assert "Usage:" in ran.out
    assert ran.err == ""
    options = ran.out
    if command not in ((), ("register",), ("policy",), ("audit",), ("key",)):
        assert "--json" in options


def test_the_list_of_commands_is_complete() -> None:
    assert {("decide",), ("release",), ("serve",), ("outcome",), ("demo",), ("policy", "check"), ("audit", "export"),
            ("register", "subjects"), ("register", "withdraw"), ("key", "make")} <= set(commands())
