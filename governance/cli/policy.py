"""``safe-conduct policy``: what a legal team runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.cli.house import LevelName, settings_for
from governance.cli.output import print_json
from governance.errors import InputError
from governance.settings import SHIPPED_POLICIES

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Read, check and test policies.")


@app.callback()
def _group() -> None:
    """Keep `policy check` a sub-command though it is the only one yet."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of policies; by default the shipped ones.")] = SHIPPED_POLICIES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    level: LevelName = None,
) -> None:
    """Read, schema, lint, cases: all faults at once. Exit code 0 if the policies may be used, else 2."""
    from governance.bootstrap import LEVELS
    from governance.policy.check import policy_check

    chosen = settings_for(level=level).level
    if not folder.is_dir():
        raise InputError(f"no such folder `{folder}`", where=str(folder))
    report = policy_check(folder, level=LEVELS[chosen or "knowledge"])
    if as_json:
        found = [{"where": d.where, "message": d.message, "hint": d.hint, "severity": d.severity}
                 for d in report.diagnostics]  # fmt: skip
        print_json({
            "good": report.good, "errors": report.errors, "warnings": report.warnings, "packs": report.packs,
            "rules": report.rules, "cases": report.cases, "failed_cases": report.failed_cases, "diagnostics": found,
            "policy": report.policies.digest if report.policies else None,
        })  # fmt: skip
    else:
        for diagnostic in report.diagnostics:
            print(f"{'' if diagnostic.severity == 'error' else 'warning: '}{diagnostic}")
        print(f"{report.packs} packs, {report.rules} rules, {report.cases} cases ({report.failed_cases} differ): "
              f"{report.errors} errors, {report.warnings} warnings")  # fmt: skip
    raise typer.Exit(0 if report.good else 2)
