"""Check a folder of policies: read, schema, lint and cases, every fault at once.

Guarantees: changes nothing; a report without errors means that the set loads and that every case comes out
as its lawyer expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from governance.core.rules import Confidence, PolicySet
from governance.errors import Diagnostic
from governance.policy.cases import run_cases
from governance.policy.load import Loaded, load_policies
from governance.policy.shape import Faults, TooManyFaultsError

__all__ = ["CheckReport", "policy_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What checking a folder found.

    Attributes:
        diagnostics: errors and warnings by file, line and column.
        errors: how many errors.
        warnings: how many warnings.
        packs: how many packs were read.
        rules: how many rules they have.
        cases: how many cases were run.
        failed_cases: how many came out differently.
        policies: the compiled set, or None.
    """

    diagnostics: tuple[Diagnostic, ...]
    errors: int
    warnings: int
    packs: int
    rules: int
    cases: int
    failed_cases: int
    policies: PolicySet | None

    @property
    def good(self) -> bool:
        """Whether there is no error."""
        return self.errors == 0


def policy_check(folder: Path, *, level: Confidence) -> CheckReport:
    """Check every policy of a folder.

    Args:
        folder: the lawyers' room (``policies/``).
        level: how well law must be known for a permit to rest on it.

    Returns:
        Everything found, with counts.

    Raises:
        ValueError: if the level is UNVERIFIED.
    """
    loaded = load_policies(folder, level=level)
    faults = Faults()
    run = failed = 0
    found = loaded.diagnostics
    if loaded.policies is not None:
        try:
            run, failed = run_cases(folder, loaded, faults)
            found += faults.all()
        except TooManyFaultsError:
            found += (*faults.all(), Diagnostic(where=f"{folder.name}:1:1", message="too many faults in cases"))
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    return CheckReport(
        diagnostics=found, errors=errors, warnings=len(found) - errors, packs=len(loaded.packs),
        rules=_rules(loaded), cases=run, failed_cases=failed, policies=loaded.policies,
    )  # fmt: skip


def _rules(loaded: Loaded) -> int:
    return sum(len(rules) for pack in loaded.packs for rules in pack.document.rules.values())
