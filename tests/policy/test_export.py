"""The editor's schema follows from the vocabulary."""

import json
from pathlib import Path

import pytest

from governance.core.rules import Confidence
from governance.policy.__main__ import main
from governance.policy.export import editor_schema_text
from governance.policy.load import load_policies
from tests.policy.world import GOOD, folder_with

ROOM = Path(__file__).parents[2] / "policies"


def schema(folder: Path) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    return json.loads(editor_schema_text(load_policies(folder, level=Confidence.KNOWLEDGE).vocabulary))  # type: ignore[no-any-return]


def test_the_committed_schema_is_current() -> None:
    vocabulary = load_policies(ROOM, level=Confidence.KNOWLEDGE).vocabulary
    committed = (ROOM / "policy.schema.json").read_text(encoding="utf-8")
    assert committed == editor_schema_text(vocabulary), "run: python -m governance.policy schema > policies/policy.schema.json"


def test_a_fact_added_in_yaml_alone_is_completed_and_explained(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    extra = "facts: [{id: moon, of: request, type: term, values: [full, new], source: request, word: caller, means: state of the moon}]"
    (folder / "vocabulary" / "more.yaml").write_text(extra, encoding="utf-8")
    fact = schema(folder)["$defs"]["condition"]["properties"]["moon"]
    assert fact["description"] == "state of the moon"
    assert '"enum": ["full", "new"]' in json.dumps(fact)
    assert "moon" not in schema(GOOD)["$defs"]["condition"]["properties"]


def test_every_reference_inside_the_schema_resolves() -> None:
    text = editor_schema_text(load_policies(ROOM, level=Confidence.KNOWLEDGE).vocabulary)
    defined = set(json.loads(text)["$defs"])
    named = {part.partition('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named <= defined


@pytest.mark.parametrize("arguments", [["schema", str(GOOD)], [str(GOOD), "--json"], [str(GOOD)]])
def test_the_command_answers_zero_for_a_good_folder(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_the_command_answers_two_and_all_faults_for_a_bad_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, "pack: [")
    assert main([str(folder), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["good"], report["policy"]) == (False, None)
    assert "policies/jurisdictions/extra-0.yaml" in report["diagnostics"][-1]["where"] or report["errors"] == 1
