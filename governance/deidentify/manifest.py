"""The manifest of a release: what was done to every element, which rule asked, and how often.

Guarantees: only what was really done or measured; no value, id or name of a patient. What was not measured
says ``not measured``.

Example:
    >>> # Manifest.of(plan, [transformed]).as_json()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from governance.deidentify.fhir import LeftOut, Transformed
from governance.deidentify.plan import Plan
from governance.deidentify.profile import Method

__all__ = ["ElementActions", "Manifest"]

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementActions:
    """What was done to one element path.

    Attributes:
        method: the method of the rule.
        rule: the rule that asked, ``no rule`` where none names the element.
        where: ``file:line:col`` of the rule, empty where there is none.
        treated: how often something stayed, treated so.
        removed: how often nothing stayed.
    """

    path: str
    method: str
    rule: str
    where: str
    treated: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was done in one release.

    Attributes:
        left_out: resource type, why it stayed behind, how many.
        texts_scrubbed: how many texts went through the scrubber.
        text_recall: the measured recall of the scrubber in the languages met, or ``not measured``.
        standards: standards that the output check has established; empty before it ran.
    """

    profile: str
    profile_digest: str
    records: int
    resources: int
    elements: tuple[ElementActions, ...]
    left_out: tuple[tuple[str, str, int], ...]
    texts_scrubbed: int
    text_recall: str
    standards: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, records: Iterable[Transformed], *, checked: bool = False) -> Manifest:
        """Gather what was done to the records.

        Args:
            plan: the plan they were transformed with.
            records: the transformed records (a stream is enough).
            checked: every one of them passed the output check.
        """
        kept: dict[int, int] = {}
        removed: dict[int, int] = {}
        unruled: dict[str, int] = {}
        left_out: dict[tuple[str, LeftOut], int] = {}
        number = resources = texts = 0
        for record in records:
            number += 1
            resources += record.resources
            texts += record.texts
            _add(kept, record.counts.kept)
            _add(removed, record.counts.removed)
            _add(unruled, record.counts.unruled)
            _add(left_out, record.left_out)
        return cls(
            profile=plan.profile.id,
            profile_digest=plan.profile.digest,
            records=number,
            resources=resources,
            elements=_elements(plan, kept, removed, unruled),
            left_out=tuple(sorted((kind, str(why), n) for (kind, why), n in left_out.items())),
            texts_scrubbed=texts,
            text_recall=NOT_MEASURED,
            standards=plan.profile.standards if checked else (),
        )

    def as_json(self) -> dict[str, object]:
        """Return the manifest as JSON values: integers, text, lists and objects."""
        return {
            "profile": self.profile,
            "profile_digest": self.profile_digest,
            "records": self.records,
            "resources": self.resources,
            "standards": list(self.standards),
            "texts_scrubbed": self.texts_scrubbed,
            "text_recall": self.text_recall,
            "left_out": [{"type": kind, "why": why, "count": n} for kind, why, n in self.left_out],
            "elements": [
                {"path": one.path, "method": one.method, "rule": one.rule, "where": one.where, "treated": one.treated,
                 "removed": one.removed}
                for one in self.elements
            ],
        }  # fmt: skip


Key = TypeVar("Key")


def _add(into: dict[Key, int], counts: Mapping[Key, int]) -> None:
    for key, times in counts.items():
        into[key] = into.get(key, 0) + times


def _elements(
    plan: Plan, kept: Mapping[int, int], removed: Mapping[int, int], unruled: Mapping[str, int]
) -> tuple[ElementActions, ...]:
    gathered: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for slot in kept.keys() | removed.keys():
        treated, gone = kept.get(slot, 0), removed.get(slot, 0)
        if treated or gone:
            rule = plan.slots[slot].rule
            key = (plan.slots[slot].path, str(rule.method), rule.name, rule.where)
            before = gathered.get(key, (0, 0))
            gathered[key] = (before[0] + treated, before[1] + gone)
    for path, times in unruled.items():
        gathered[path, str(Method.REMOVE), "no rule", ""] = (0, times)
    return tuple(
        ElementActions(path=path, method=method, rule=rule, where=where, treated=treated, removed=gone)
        for (path, method, rule, where), (treated, gone) in sorted(gathered.items())
    )
