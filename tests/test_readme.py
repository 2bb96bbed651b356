"""The README tells the truth: its commands exist, its files exist, its codes are the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from governance.cli.main import app
from governance.cli.output import EXIT_OF_EFFECT
from governance.errors import InputError, IntegrityError, SafeConductError

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
RUN = CliRunner()


def test_both_first_commands_are_as_ci_runs_them() -> None:
    prefix = "python3 -m pip install -q --target .uv uv && .uv/bin/uv run "
    assert f"\n{prefix}safe-conduct demo\n" in README
    assert f"\n{prefix}pytest\n" in README


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`safe-conduct ([a-z]+(?: [a-z][a-z-]+)?)", README))))
def test_every_command_named_exists_and_has_json(command: str) -> None:
    shown = RUN.invoke(app, [*command.split(), "--help"], terminal_width=200)
    assert shown.exit_code == 0, shown.output
    if command != "serve":
        assert "--json" in shown.output or "audit entry" in command


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_exit_codes_are_the_programs() -> None:
    assert "0 permit or done, 1 a fault of ours, 2 usage or input, 3 deny, 4 integrity, 5 refer" in README
    assert EXIT_OF_EFFECT == {"permit": 0, "deny": 3, "refer": 5}
    assert (SafeConductError.exit_code, InputError.exit_code, IntegrityError.exit_code) == (1, 2, 4)


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/**/*.md")), ids=str)
def test_links_between_pages_hold(page: Path) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+\.md)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_packs_named_are_the_packs_shipped() -> None:
    shipped = {path.stem for path in (ROOT / "policies" / "jurisdictions").rglob("*.yaml") if ".cases" not in path.name}
    assert shipped - {"none"} == {"gdpr", "hipaa-privacy", "28-cfr-202", "data-protection"}
