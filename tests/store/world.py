"""A small vocabulary, policy set and register of our own, and a double of the key store."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from governance.core.conditions import AnyOf, ConsentTest, EvidenceNeed, FactTest, Operator
from governance.core.consent import Consent
from governance.core.facts import (
    EvidenceType,
    FactDefinition,
    FactType,
    Holder,
    Taxonomy,
    Vocabulary,
    Word,
)
from governance.core.rules import Force, Gate, Measure, OwnershipQuestion, PolicySet, Profile, Regime, Rule
from governance.errors import ConflictError
from governance.store.facts import Gathered, facts_for
from governance.store.register import (
    register_datasets,
    register_flows,
    register_parties,
    register_projects,
    submit_evidence,
    verify_evidence,
)
from governance.store.requests import parse_request
from governance.store.subjects import register_subjects, subject_refs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = b"index-key-of-a-test-tenant-32byt"
TENANT = "clinic"


@dataclass
class Keys:
    """A sealer in memory: AES-GCM under one key a patient; destroying a key is forgetting it."""

    keys: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def create(self, tenant: str, refs: list[str]) -> None:
        for ref in refs:
            self.keys.setdefault((tenant, ref), secrets.token_bytes(32))

    def destroy(self, tenant: str, ref: str) -> None:
        del self.keys[tenant, ref]

    def seal(self, tenant: str, ref: str, plaintext: bytes, purpose: str) -> bytes:
        if (tenant, ref) not in self.keys:
            raise ConflictError("no key")
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(self.keys[tenant, ref]).encrypt(nonce, plaintext, f"{tenant}|{ref}|{purpose}".encode())

    def open(self, tenant: str, ref: str, sealed: bytes, purpose: str) -> bytes | None:
        key = self.keys.get((tenant, ref))
        if key is None:
            return None
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], f"{tenant}|{ref}|{purpose}".encode())


def _fact(name: str, of: Holder, kind: FactType, word: Word = Word.NO, source: str = "register", **more: Any) -> FactDefinition:
    return FactDefinition(id=name, of=of, type=kind, source=source, word=word, means="a fact of a test", **more)


_T, _Y = FactType, FactType.YES_NO
_FACTS = (
    _fact("purpose", Holder.REQUEST, _T.TERM, Word.CALLER, "request", taxonomy="purpose"),
    _fact("project", Holder.REQUEST, _T.ID),
    _fact("repetition", Holder.REQUEST, _T.TERM, Word.CALLER, "request", values=frozenset({"one-off", "systematic"})),
    _fact("consideration", Holder.REQUEST, _Y, Word.CALLER, "request"),
    _fact("transaction", Holder.REQUEST, _T.TERM, values=frozenset({"sale", "collaboration"})),
    _fact("funders", Holder.REQUEST, _T.TERMS, values=frozenset({"public", "foreign"})),
    _fact("emergency.kind", Holder.REQUEST, _T.TERM, Word.CLINICIAN, "request", values=frozenset({"none", "outbreak"})),
    _fact("start", Holder.REQUEST, _T.DATE, Word.CALLER, "request"),
    _fact("budget", Holder.REQUEST, _T.NUMBER, Word.CALLER, "request"),
    _fact("origin", Holder.LEG, _T.PLACE),
    _fact("destination", Holder.LEG, _T.PLACE, Word.CALLER, "request"),
    _fact("action", Holder.LEG, _T.TERM, Word.CALLER, "request", values=frozenset({"transfer", "view-only"})),
    _fact("storage.places", Holder.LEG, _T.PLACES),
    _fact("onward.places", Holder.LEG, _T.PLACES, Word.CALLER, "request"),
    *(_fact(f"{side}.{name}", holder, kind, values=values)
      for side, holder in (("exporter", Holder.EXPORTER), ("recipient", Holder.RECIPIENT))
      for name, kind, values in (
          ("id", _T.ID, frozenset()), ("place", _T.PLACE, frozenset()), ("group", _T.ID, frozenset()),
          ("sector", _T.TERM, frozenset({"public", "private"})),
      )),
    _fact("exporter.role", Holder.EXPORTER, _T.TERM, values=frozenset({"controller", "processor"})),
    _fact("recipient.role", Holder.RECIPIENT, _T.TERM, values=frozenset({"controller", "processor", "sub-processor"})),
    _fact("recipient.type", Holder.RECIPIENT, _T.TERM, values=frozenset({"university", "pharma"})),
    _fact("recipient.secrecy", Holder.RECIPIENT, _Y, absent_no=True),
    _fact("recipient.relation", Holder.RECIPIENT, _T.TERM, source="computed",
          values=frozenset({"same-entity", "same-group", "processor-of-exporter", "independent"})),
    _fact("recipient.owned_by", Holder.RECIPIENT, _T.NUMBER, source="computed", params=("group", "cascade")),
    _fact("dataset", Holder.DATASET, _T.ID),
    _fact("dataset.context", Holder.DATASET, _T.TERMS, values=frozenset({"care", "research"})),
    _fact("data.categories", Holder.PART, _T.TERMS, taxonomy="category"),
    _fact("data.necessary", Holder.PART, _Y, Word.CLINICIAN, "request"),
    _fact("data.meets", Holder.PART, _T.TERMS, source="computed", absent_no=True, values=frozenset({"standard-a"})),
    _fact("subject.residence", Holder.SUBJECT, _T.PLACE),
    _fact("subject.us_person", Holder.SUBJECT, _Y),
    _fact("subject.age", Holder.SUBJECT, _T.NUMBER, source="computed"),
    _fact("subject.dead_years", Holder.SUBJECT, _T.NUMBER),
    _fact("subject.citizenship", Holder.SUBJECT, _T.PLACES),
    _fact("subject.can_consent", Holder.SUBJECT, _Y, Word.CLINICIAN, "request"),
    _fact("subject.consent_state", Holder.SUBJECT, _T.TERM, source="consent", values=frozenset({"given"})),
    _fact("count", Holder.LEDGER, _T.NUMBER, source="computed", params=("measure",)),
)  # fmt: skip

VOCABULARY = Vocabulary(
    facts={fact.id: fact for fact in _FACTS},
    taxonomies={
        "place": Taxonomy(id="place", ancestors={
            "EEA": frozenset(), **{place: frozenset({"EEA"}) for place in ("DE", "FR")},
            **{place: frozenset() for place in ("US", "CN", "KE", "NO")},
        }),
        "purpose": Taxonomy(id="purpose", ancestors={
            "research": frozenset(), "genetic-research": frozenset({"research"}), "care": frozenset(),
        }),
        "category": Taxonomy(id="category", ancestors={
            "health": frozenset(), "clinical": frozenset({"health"}), "genomic": frozenset(),
        }),
    },
    evidence={
        "clauses": EvidenceType(id="clauses", match=("exporter", "recipient"), outcomes=frozenset({"signed"}),
                                properties=frozenset({"module"})),
        "ledger-complete": EvidenceType(id="ledger-complete", match=("exporter",), outcomes=frozenset({"attested"})),
        "review-finding": EvidenceType(id="review-finding", match=("request",), outcomes=frozenset({"lawful"})),
    },
    duties={},
)  # fmt: skip

COUNT = "count[law/genomes]"
YEAR = "count[law/people-this-year]"


def policies(**changes: Any) -> PolicySet:
    """A permissive law of everywhere, reading few facts, with two measures and an ownership question."""
    genomic = FactTest(fact="data.categories", operator=Operator.IN, taxonomy="category", terms=frozenset({"genomic"}))
    rule = Rule(id="law/grounds/any", gate=Gate.GROUND, cite="1", says="Anything goes.",
                when=AnyOf(members=(FactTest(fact="subject.us_person", operator=Operator.IS, flag=True),
                                    FactTest(fact="purpose", operator=Operator.IN, taxonomy="purpose",
                                             terms=frozenset({"research", "care"})))))  # fmt: skip
    ban = Rule(id="law/prohibitions/bulk", gate=Gate.PROHIBITION, cite="2", says="Not too many.",
               when=FactTest(fact=COUNT, operator=Operator.ABOVE, number=100))  # fmt: skip
    paper = Rule(id="law/mechanisms/clauses", gate=Gate.MECHANISM, cite="3", says="Clauses.",
                 needs=(EvidenceNeed(type="clauses", outcomes=frozenset({"signed"})),))  # fmt: skip
    law = Regime(
        id="law", title="Law", territory=frozenset({"DE", "FR", "US", "KE"}), force=Force.LAW,
        governs=FactTest(fact="origin", operator=Operator.IN, taxonomy="place", terms=frozenset({"DE", "US"})),
        rules={Gate.GROUND: (rule,), Gate.PROHIBITION: (ban,), Gate.MECHANISM: (paper,)},
        silent_on={},
    )  # fmt: skip
    known = PolicySet(
        digest="sha256:test", vocabulary=VOCABULARY, regimes=(law,),
        profiles={"as-is": Profile(id="as-is", sets={}),
                  "clinical-only": Profile(id="clinical-only", sets={}, removes_categories=frozenset({"genomic"}))},
        measures={
            COUNT: Measure(key=COUNT, within=genomic, per=("exporter.id", "recipient.group"), window_days=365,
                           complete_by="ledger-complete"),
        },
        ownership=(OwnershipQuestion(key="recipient.owned_by[law/concern,50]", places=frozenset({"CN"}), cascade_at=50.0),),
    )  # fmt: skip
    return replace(known, **changes)


PARTIES: list[dict[str, Any]] = [
    {"id": "charite", "name": "Charite", "place": "DE", "facts": {"role": "controller", "sector": "public"},
     "undisclosed_share": 0},
    {"id": "biobank", "name": "Biobank", "place": "US", "group": "acme", "facts": {"type": "pharma", "role": "sub-processor"},
     "owners": [{"party": "acme-holding", "share": 80}], "undisclosed_share": 20},
    {"id": "sister", "name": "Sister", "place": "US", "group": "acme", "facts": {}},
    {"id": "acme-holding", "name": "Holding", "place": "US", "owners": [{"place": "CN", "share": 55}],
     "undisclosed_share": 0},
]  # fmt: skip
DATASETS: list[dict[str, Any]] = [{
    "id": "cardio", "holder": "charite", "place": "DE-BE", "project": "cardio-eu", "facts": {"context": ["care"]},
    "parts": [{"id": "clinical", "facts": {"categories": ["clinical"]}}, {"id": "genomes", "facts": {"categories": ["genomic"]}}],
    "cohorts": {"enrolled": ["p1", "p2", "p3"], "empty": []},
}]  # fmt: skip
PROJECTS: list[dict[str, Any]] = [{"id": "cardio-eu", "facts": {"funders": ["public"], "consideration": False}}]
FLOWS: list[dict[str, Any]] = [
    {"id": "f1", "exporter": "charite", "recipient": "biobank",
     "facts": {"storage.places": ["US"], "transaction": "collaboration", "recipient.role": "processor"}},
]  # fmt: skip
SUBJECTS: list[dict[str, Any]] = [
    {"id": "p1", "identifiers": [{"system": "urn:mrn", "value": "MRN-7781234"}],
     "facts": {"residence": "DE", "birth_date": "1961-03-04", "us_person": False}},
    {"id": "p2", "facts": {"residence": "DE", "birth_date": "1990-11-22", "us_person": False}},
    {"id": "p3", "facts": {"residence": "US", "birth_date": "2010", "us_person": True}},
]  # fmt: skip
CLAUSES: dict[str, Any] = {
    "id": "scc-1", "type": "clauses", "scope": {"exporter": ["charite"], "recipient": ["biobank"]},
    "issued_on": "2026-01-01", "valid_from": "2026-01-01", "outcome": "signed", "properties": {"module": "1"},
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "purpose": "genetic-research", "exporter": "charite", "dataset": "cardio",
    "legs": [{"action": "transfer", "recipient": "biobank", "destination": "US"}],
    "subjects": {"cohort": "cardio/enrolled"},
}  # fmt: skip


def furnish(connection: Connection, keys: Keys, *, tenant: str = TENANT, key: bytes = KEY,
            subjects: list[dict[str, Any]] | None = None) -> None:  # fmt: skip
    """Register the small world for a tenant."""
    register_parties(connection, PARTIES, VOCABULARY, tenant=tenant)
    register_projects(connection, PROJECTS, VOCABULARY, tenant=tenant)
    register_datasets(connection, DATASETS, VOCABULARY, tenant=tenant, index_key=key)
    register_flows(connection, FLOWS, VOCABULARY, tenant=tenant)
    people = SUBJECTS if subjects is None else subjects
    keys.create(tenant, subject_refs(people, tenant=tenant, index_key=key))
    register_subjects(connection, people, VOCABULARY, tenant=tenant, sealer=keys, index_key=key)


def paper(connection: Connection, document: Mapping[str, Any] = CLAUSES, *, tenant: str = TENANT) -> None:
    """Put a document on file and have it verified."""
    submit_evidence(connection, [document], VOCABULARY, tenant=tenant, by="ann", at=NOW)
    verify_evidence(connection, tenant=tenant, id=document["id"], by="bob", at=NOW)


def gather(connection: Connection, keys: Keys, request: Mapping[str, Any] = REQUEST, *, tenant: str = TENANT,
           key: bytes = KEY, at: datetime = NOW, law: PolicySet | None = None) -> Gathered:  # fmt: skip
    """Gather the facts of a request as the use case does."""
    document = parse_request(request, VOCABULARY)
    return facts_for(connection, document, law or policies(), tenant=tenant, at=at, sealer=keys, index_key=key)


def consent(name: str = "c1", *, at: datetime = NOW, base: bool = True, **more: Any) -> Consent:
    """A consent to everything, or its refusal."""
    return Consent(id=name, effective=at, recorded=at, base=base, group="g", **more)


SAID = ConsentTest()
TODAY = date(2026, 11, 22)
