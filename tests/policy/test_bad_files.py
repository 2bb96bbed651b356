"""Deliberately bad files, each with the exact messages that a lawyer sees."""

import shutil
from pathlib import Path

import pytest

from governance.core.rules import Confidence
from governance.policy.check import policy_check

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))


def messages(folder: Path) -> str:
    report = policy_check(folder, level=Confidence.KNOWLEDGE)
    assert report.policies is None
    return "".join(f"{found}\n" for found in report.diagnostics if found.severity == "error")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_fault_of_a_bad_file_is_told_at_once_with_its_place(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(HERE / "good", folder)
    shutil.copy(path, folder / "jurisdictions" / path.name)
    assert path.with_suffix(".expected").read_text(encoding="utf-8") == messages(folder)


def test_there_are_bad_files_to_try() -> None:
    assert len(BAD) >= 20
