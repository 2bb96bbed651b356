"""Check policies from a shell: ``python -m governance.policy [DIR] [--level LEVEL] [--json]``.

``python -m governance.policy schema [DIR]`` prints the editor's schema. Exit code 0: no error; 2: errors.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from governance.core.rules import Confidence
from governance.policy.check import CheckReport, policy_check
from governance.policy.export import editor_schema_text
from governance.policy.load import load_policies

_LEVELS = {
    "knowledge": Confidence.KNOWLEDGE,
    "verified": Confidence.VERIFIED,
    "signed-off": Confidence.SIGNED_OFF,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m governance.policy", description="Check a folder of policies.")
    parser.add_argument("folder", nargs="*", default=["policies"], help="`schema`, or the folder (policies)")
    parser.add_argument("--level", choices=sorted(_LEVELS), default="knowledge", help="how well law must be known")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args(arguments)
    if given.folder[0] == "schema":
        return _schema(Path(given.folder[1] if len(given.folder) > 1 else "policies"))
    report = policy_check(Path(given.folder[0]), level=_LEVELS[given.level])
    sys.stdout.write(_json(report) if given.json else _text(report))
    return 0 if report.good else 2


def _schema(folder: Path) -> int:
    loaded = load_policies(folder, level=Confidence.KNOWLEDGE)
    sys.stdout.write(editor_schema_text(loaded.vocabulary))
    return 0


def _text(report: CheckReport) -> str:
    lines = [f"{'' if found.severity == 'error' else 'warning: '}{found}" for found in report.diagnostics]
    lines.append(
        f"{report.packs} packs, {report.rules} rules, {report.cases} cases ({report.failed_cases} differ): "
        f"{report.errors} errors, {report.warnings} warnings"
    )
    if report.policies is not None:
        lines.append(report.policies.digest)
    return "\n".join(lines) + "\n"


def _json(report: CheckReport) -> str:
    found = [
        {"where": one.where, "severity": one.severity, "message": one.message, "hint": one.hint}
        for one in report.diagnostics
    ]
    document = {
        "good": report.good, "errors": report.errors, "warnings": report.warnings, "packs": report.packs,
        "rules": report.rules, "cases": report.cases, "failed_cases": report.failed_cases,
        "policy": report.policies.digest if report.policies else None, "diagnostics": found,
    }  # fmt: skip
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
