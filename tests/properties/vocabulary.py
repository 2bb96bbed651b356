"""A small vocabulary that random worlds are made of: enough of every kind of fact, little of anything else."""

from __future__ import annotations

from collections.abc import Mapping

from governance.core.facts import DutyType, EvidenceType, FactDefinition, FactType, Holder, Taxonomy, Vocabulary, Word

NEVER_GIVEN = "x.never"
"""A yes-no fact that no world states: always unknown until a law fills it in."""

PLACES: Mapping[str, frozenset[str]] = {
    "EEA": frozenset(), "DE": frozenset({"EEA"}), "FR": frozenset({"EEA"}), "US": frozenset(), "IN": frozenset(),
}  # fmt: skip
PURPOSES: Mapping[str, frozenset[str]] = {
    "care": frozenset(), "research": frozenset(), "disease-research": frozenset({"research"}),
    "genetic-research": frozenset({"research", "disease-research"}),
}  # fmt: skip
CATEGORIES: Mapping[str, frozenset[str]] = {
    "health": frozenset(), "clinical": frozenset({"health"}), "notes": frozenset({"clinical", "health"}),
    "genomic": frozenset({"health"}),
}  # fmt: skip

YES_NO = {
    "x.a": Holder.REQUEST, "x.b": Holder.REQUEST, NEVER_GIVEN: Holder.REQUEST, "leg.flag": Holder.LEG,
    "exporter.flag": Holder.EXPORTER, "recipient.flag": Holder.RECIPIENT, "part.flag": Holder.PART,
    "subject.flag": Holder.SUBJECT,
}  # fmt: skip
TERM = {
    "purpose": (Holder.REQUEST, "purpose", tuple(PURPOSES)),
    "recipient.type": (Holder.RECIPIENT, None, ("hospital", "company", "academic")),
    "data.form": (Holder.PART, None, ("identified", "pseudonymised", "anonymous")),
    "subject.consent_state": (Holder.SUBJECT, None, ("given", "refused", "withdrawn", "expired", "not-asked")),
}  # fmt: skip
TERMS = {
    "data.categories": (Holder.PART, "category", tuple(CATEGORIES), False),
    "funders": (Holder.REQUEST, None, ("public", "foreign"), False),
    "recipient.certifications": (Holder.RECIPIENT, None, ("listed", "certified"), True),
    "data.meets": (Holder.PART, None, ("standard-a", "standard-b"), True),
}  # fmt: skip
PLACE = {"origin": Holder.LEG, "destination": Holder.LEG, "subject.residence": Holder.SUBJECT}
PLACE_SETS = ("storage.places", "access.places", "onward.places")
NUMBER = {"recipient.share": Holder.RECIPIENT, "subject.age": Holder.SUBJECT}
DAY = {"start": Holder.REQUEST}
IDS = ("exporter.id", "exporter.group", "recipient.id", "recipient.group", "dataset", "project")
COUNT = "count[p0/people]"


def _fact(name: str, holder: Holder, kind: FactType, **more: object) -> FactDefinition:
    return FactDefinition(
        id=name, of=holder, type=kind, source="register", word=Word.NO, means="a fact of a random world", **more
    )  # type: ignore[arg-type]


def _facts() -> dict[str, FactDefinition]:
    found = [_fact(name, holder, FactType.YES_NO) for name, holder in YES_NO.items()]
    found += [
        _fact(n, h, FactType.TERM, taxonomy=t, values=frozenset() if t else frozenset(v)) for n, (h, t, v) in TERM.items()
    ]
    found += [
        _fact(n, h, FactType.TERMS, taxonomy=t, values=frozenset() if t else frozenset(v), absent_no=no)
        for n, (h, t, v, no) in TERMS.items()
    ]
    found += [_fact(n, h, FactType.PLACE, taxonomy="place") for n, h in PLACE.items()]
    found += [_fact(n, Holder.LEG, FactType.PLACES, taxonomy="place") for n in PLACE_SETS]
    found += [_fact(n, h, FactType.NUMBER) for n, h in NUMBER.items()]
    found += [_fact(n, h, FactType.DATE) for n, h in DAY.items()]
    found += [_fact(n, Holder.REQUEST, FactType.ID) for n in IDS]
    found.append(_fact("count", Holder.LEDGER, FactType.NUMBER, params=("measure",)))
    return {f.id: f for f in found}


EVIDENCE = {
    "contract": ("exporter", "recipient"),
    "approval": ("project", "purpose"),
    "certificate": ("destination", "categories"),
    "group-terms": ("exporter-group", "recipient-group"),
    "sized": ("dataset", "bytes"),
    "order": (),
    "review-finding": ("dataset",),
}

DUTIES = {
    "delete": DutyType(id="delete", by="recipient", when="after", params=("within",), join={"within": "shorter"}),
    "tell": DutyType(id="tell", by="exporter", when="before", params=("whom",), join={"whom": "all"}),
    "only-for": DutyType(
        id="only-for", by="recipient", when="with", params=("purposes",), join={"purposes": "intersection"}
    ),
    "publish": DutyType(id="publish", by="recipient", when="after", contradicts=frozenset({"keep-secret"})),
    "keep-secret": DutyType(id="keep-secret", by="recipient", when="after"),
    "report": DutyType(id="report", by="platform", when="after", on="any", params=("within",), join={"within": "sooner"}),
}  # fmt: skip

CONSENT_WORDS: Mapping[str, frozenset[str]] = {
    "to": frozenset({"transfer", "onward"}), "form": frozenset({"explicit", "written"}),
    "told": frozenset({"risks", "destination"}), "by": frozenset({"subject", "parent"}),
}  # fmt: skip


def make_vocabulary() -> Vocabulary:
    return Vocabulary(
        facts=_facts(),
        taxonomies={
            "place": Taxonomy(id="place", ancestors=PLACES),
            "purpose": Taxonomy(id="purpose", ancestors=PURPOSES),
            "category": Taxonomy(id="category", ancestors=CATEGORIES),
        },
        evidence={
            name: EvidenceType(
                id=name, match=match, outcomes=frozenset({"granted", "lawful", "refused"}),
                max_age_days=700 if name == "approval" else None,
            )
            for name, match in EVIDENCE.items()
        },
        duties=DUTIES,
        consent=CONSENT_WORDS,
        consent_purposes={"care": frozenset({"TREAT"}), "research": frozenset({"HRESCH"}),
                          "disease-research": frozenset({"DSRCH"}), "genetic-research": frozenset({"DSRCH"})},
        purpose_ancestors={"DSRCH": frozenset({"HRESCH"})},
    )  # fmt: skip


VOCABULARY = make_vocabulary()
