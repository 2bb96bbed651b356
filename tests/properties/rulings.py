"""The comparable half of the engine's ruling, in the reference's words."""

from __future__ import annotations

from dataclasses import fields

from governance.core.decide import decide
from governance.core.ruling import Ruling
from tests.properties.scene import AT
from tests.properties.worlds import Case, World
from tests.reference.evaluator import ReferenceRuling, reference_decide


def comparable(ruling: Ruling) -> ReferenceRuling:
    return ReferenceRuling(
        effect=ruling.effect,
        profile=ruling.profile,
        refer=ruling.refer,
        subjects_in=ruling.subjects_in,
        subjects_out=ruling.subjects_out,
        parts_in=ruling.parts_in,
        parts_withheld=ruling.parts_withheld,
        allowed=tuple((a.subject_class, a.parts) for a in ruling.allowed),
        missing=frozenset(ruling.missing),
        duties=frozenset(d.type for d in ruling.duties),
    )


def engine(world: World, case: Case) -> ReferenceRuling:
    return comparable(decide(world.policies, case.question, case.facts, AT))


def reference(world: World, case: Case) -> ReferenceRuling:
    return reference_decide(world.policies, case.question, case.facts, AT)


def differing(ours: ReferenceRuling, slow: ReferenceRuling) -> list[str]:
    """Name every field in which the engine and the reference differ."""
    return [
        f"{f.name}: engine {getattr(ours, f.name)!r}, reference {getattr(slow, f.name)!r}"
        for f in fields(ReferenceRuling)
        if f.compare and getattr(ours, f.name) != getattr(slow, f.name)
    ]
