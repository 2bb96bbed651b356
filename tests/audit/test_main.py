"""The command line: its exit codes and what it says, run as strangers run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audit.__main__ import main
from tests.audit.world import draft, fill, insert_business

ROOT = Path(__file__).parents[2]


@pytest.fixture
def served(world):
    fill(world, 12)
    world.export()
    return world


def test_a_whole_log_exits_0_and_says_what_was_checked(served, capsys):
    assert main(["verify", str(served.served)]) == 0
    said = capsys.readouterr().out
    assert "verified: example.org/clinic, 12 entries re-hashed" in said
    assert "key from the log's own folder" in said


def test_a_key_from_elsewhere_is_used(served, tmp_path, capsys):
    key = tmp_path / "trusted"
    key.write_text(served.verifiers[0].to_text() + "\n")
    assert main(["verify", str(served.served), "--key", str(key)]) == 0
    assert "own folder" not in capsys.readouterr().out
    key.write_text(served.keys.signer("other").verifier.to_text() + "\n")
    assert main(["verify", str(served.served), "--key", str(key)]) == 4
    key.write_text("nonsense")
    assert main(["verify", str(served.served), "--key", str(key)]) == 2


def test_a_changed_log_exits_4_and_says_where(served, capsys):
    path = served.served / "tile/entries/000.p/12"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert main(["verify", str(served.served)]) == 4
    assert "tile/entries/000.p/12 entry 0: " in capsys.readouterr().out
    assert main(["verify", str(served.served), "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["faults"][0]["where"] == "tile/entries/000.p/12 entry 0"


def test_an_earlier_checkpoint_is_continued(served, tmp_path, capsys):
    earlier = tmp_path / "earlier"
    earlier.write_bytes((served.served / "checkpoint").read_bytes())
    with served.writer() as writer:
        writer.record(draft(50), insert_business(50))
    served.export()
    assert main(["verify", str(served.served), "--since", str(earlier)]) == 0
    assert "continues the checkpoints of size 12" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["verify", "/nonexistent"], ["verify", "."], ["verify-receipt", "/nonexistent", "--key", "/nonexistent"]])
def test_what_is_no_log_exits_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_a_receipt_verifies_and_a_changed_one_does_not(served, tmp_path, capsys):
    with served.writer() as writer:
        receipt = writer.record(draft(60), insert_business(60))[1]
    file = tmp_path / "receipt.tlog-proof"
    file.write_text(receipt.proof)
    key = str(served.served / "key")
    assert main(["verify-receipt", str(file), "--key", key]) == 0
    assert "entry 12 is in example.org/clinic (signed at size 13)" in capsys.readouterr().out
    assert main(["verify-receipt", str(file), "--key", key, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["class"], shown["index"], shown["leaves"]) == ("flow", 12, 1)
    for old, new in (("index 12", "index 11"), ("extra e", "extra f"), ("clinic\n13\n", "clinic\n12\n")):
        file.write_text(receipt.proof.replace(old, new))
        assert main(["verify-receipt", str(file), "--key", key]) == 4, old
    assert "NOT verified" in capsys.readouterr().out


def test_it_runs_as_a_module_with_nothing_but_the_standard_library_and_cryptography(served):
    """Modules that a stranger may not have are made unimportable first."""
    program = (
        "import sys\n"
        "for name in ('sqlalchemy', 'sqlmodel', 'orjson', 'msgspec', 'pydantic', 'structlog', 'governance', 'api'):\n"
        "    sys.modules[name] = None\n"
        "import runpy\n"
        f"sys.argv = ['audit', 'verify', {str(served.served)!r}]\n"
        "runpy.run_module('audit', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "verified: example.org/clinic, 12 entries" in done.stdout
