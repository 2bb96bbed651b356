"""What the register and the caller together say about a request: parties, data set, parts, flows, people.

Guarantees: names of what is not registered, and contradictions of the register, are collected and raised at
once; nothing is guessed in their place.

Example:
    >>> reader = RequestReader(connection, request, vocabulary, "clinic")     # doctest: +SKIP
    >>> shared = reader.shared(); reader.refuse_faults()                      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from governance.core.facts import Holder, Value, Vocabulary
from governance.core.request import PartFacts
from governance.errors import InputError
from governance.store.claims import Claims, registered_values
from governance.store.parties import Party, PartyBook
from governance.store.requests import DatasetClaim, LegRequest, PartClaim, RequestDocument
from governance.store.sealing import subject_ref
from governance.store.tables import cohort_members, cohorts, datasets, flows, parts, projects
from governance.store.values import suggestion

__all__ = ["RequestReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlowFacts:
    """What is registered of the movements between two parties, by what it belongs to."""

    leg: dict[str, Value] = field(default_factory=dict)
    request: dict[str, Value] = field(default_factory=dict)
    exporter: dict[str, Value] = field(default_factory=dict)
    recipient: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """A data set as registered, or as a dry run describes it."""

    id: str | None
    holder: str | None = None
    place: str | None = None
    project: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    claim: DatasetClaim | None = None


class RequestReader:
    """Reads the register for one request; collects faults until `refuse_faults`."""

    def __init__(self, connection: Connection, request: RequestDocument, vocabulary: Vocabulary, tenant: str) -> None:
        self._connection = connection
        self._request = request
        self._vocabulary = vocabulary
        self._tenant = tenant
        self.claims = Claims(vocabulary, attested=request.attested_by is not None, dry_run=request.dry_run)
        self.book = PartyBook(connection, vocabulary, tenant, self.claims)
        self._dataset = self._find_dataset()
        holder = self._dataset.holder if self._dataset is not None else None
        self._exporter = self.book.find(request.exporter or holder, "exporter")
        self._check_holder(holder)
        self.recipients = tuple(
            self.book.find(leg.recipient, f"legs[{number}].recipient") for number, leg in enumerate(request.legs)
        )
        self._flows = [self._flow_facts(self._sender(number), party) for number, party in enumerate(self.recipients)]

    def refuse_faults(self) -> None:
        """Raise what was collected, if anything was."""
        found = self.claims.faults.found
        if found:
            raise InputError("the request does not fit the register", diagnostics=sorted(found, key=lambda f: f.where))

    def shared(self) -> dict[str, Value]:
        """Return the facts of request, project, data set and (with one leg) exporter."""
        request = self._request
        facts = self._of_request() | self._of_dataset()
        if len(request.legs) == 1:
            said = self.claims.values(request.facts, [Holder.EXPORTER])
            facts |= self.claims.join(self.book.facts(self._exporter, Holder.EXPORTER, "exporter"), said, "facts")
        # Of several legs each names its own sender: the first one's facts must never stand in for another's.
        return facts

    def legs(self) -> list[dict[str, Value]]:
        """Return each leg's facts with those of its recipient."""
        return [self._leg(number, leg) for number, leg in enumerate(self._request.legs)]

    def parts(self) -> tuple[PartFacts, ...]:
        """Return the parts asked for, by default every registered one; never none."""
        known = self._registered_parts()
        asked = self._request.parts
        said = self.claims.values(self._request.facts, [Holder.PART])
        chosen: dict[str, dict[str, Value]] = {}
        for number, part in enumerate(list(known) if asked is None else asked):
            name, claimed = (part.id, self._part_claims(part)) if isinstance(part, PartClaim) else (part, {})
            if name not in known and not isinstance(part, PartClaim):
                self.claims.faults.add(f"parts[{number}]", f"unknown part `{name}`",
                                       suggestion(name, known) or "name a registered part of the data set")  # fmt: skip
                continue
            chosen[name] = self.claims.join(known.get(name, {}), {**said, **claimed}, f"parts[{number}]")
        if not chosen:
            chosen["data"] = self.claims.join({}, said, "facts")
        return tuple(PartFacts(id=name, facts=facts) for name, facts in chosen.items())

    def refs(self, index_key: bytes) -> tuple[str, ...]:
        """Return the references of everybody asked about, sorted and each once."""
        subjects = self._request.subjects
        if subjects.ids is not None:
            return tuple(sorted({subject_ref(index_key, self._tenant, id_) for id_ in subjects.ids}))
        return self._cohort(subjects.cohort) if subjects.cohort is not None else ()

    def said_of_subjects(self) -> dict[str, Value]:
        """Return the caller's facts about every patient, as far as they count."""
        return self.claims.of_subjects(self.claims.values(self._request.facts, [Holder.SUBJECT]))

    def _of_request(self) -> dict[str, Value]:
        request = self._request
        project = request.project or (self._dataset.project if self._dataset is not None else None)
        registered: dict[str, Value] = {}
        if project is not None:
            row = self._connection.execute(
                select(projects).where(projects.c.tenant == self._tenant, projects.c.id == project)
            ).first()
            if row is not None:
                registered = registered_values(self._vocabulary, row.facts, Holder.REQUEST, self.claims.notes)
                registered["project"] = project
            elif request.dry_run:
                registered["project"] = project
            else:
                known = self._ids(projects.c.id, projects.c.tenant)
                self.claims.faults.add("project", f"unknown project `{project}`",
                                       suggestion(project, known) or "register the project first")  # fmt: skip
        said = self.claims.values(request.facts, [Holder.REQUEST])
        if request.purpose is not None:
            said["purpose"] = request.purpose
        of_flows = set().union(*(flow.request for flow in self._flows))
        return self.claims.join(registered, {key: v for key, v in said.items() if key not in of_flows}, "facts")

    def _of_dataset(self) -> dict[str, Value]:
        dataset, request = self._dataset, self._request
        said = self.claims.values(request.facts, [Holder.DATASET])
        place = {} if request.origin is None else {"origin": request.origin}
        if dataset is None:
            return self.claims.join({}, {**said, **place}, "request")
        registered: dict[str, Value] = registered_values(
            self._vocabulary, dataset.facts, Holder.DATASET, self.claims.notes
        )
        if dataset.id is not None:
            registered["dataset"] = dataset.id
        if dataset.place is not None:
            registered["origin"] = dataset.place
        if dataset.claim is not None:
            said = {**registered_values(self._vocabulary, dataset.claim.facts, Holder.DATASET), **said}
            if dataset.claim.place is not None:
                place = {"origin": dataset.claim.place, **place}
        return self.claims.join(registered, {**said, **place}, "request")

    def _leg(self, number: int, leg: LegRequest) -> dict[str, Value]:
        where, flow = f"legs[{number}]", self._flows[number]
        sender, recipient = self._sender(number), self.recipients[number]
        registered = self.book.facts(recipient, Holder.RECIPIENT, f"{where}.recipient") | flow.recipient | flow.leg
        relation = self.book.relation(sender, recipient, flow.recipient.get("recipient.role"))
        if relation is not None and "recipient.relation" in self._vocabulary.facts:
            registered["recipient.relation"] = relation
        top = self._request.facts if len(self._request.legs) == 1 else {}
        said = self.claims.values({**top, **leg.facts}, [Holder.LEG, Holder.RECIPIENT])
        said |= {name: value for name, value in (("action", leg.action), ("destination", leg.destination)) if value}
        facts = self.claims.join(registered, said, where)
        of_request = self.claims.values(self._request.facts, [Holder.REQUEST])
        facts |= self.claims.join(
            flow.request, {key: value for key, value in of_request.items() if key in flow.request}, "facts"
        )
        if len(self._request.legs) > 1:
            facts |= self.book.facts(sender, Holder.EXPORTER, where)
        return facts | flow.exporter

    def _sender(self, number: int) -> Party | None:
        return self._exporter if number == 0 else self.recipients[number - 1]

    def _flow_facts(self, exporter: Party | None, recipient: Party | None) -> _FlowFacts:
        """Return what is registered between two parties; where two flows differ, nothing is known."""
        if exporter is None or recipient is None or exporter.id is None or recipient.id is None:
            return _FlowFacts()
        rows = self._connection.execute(
            select(flows.c.facts).where(
                flows.c.tenant == self._tenant, flows.c.exporter == exporter.id, flows.c.recipient == recipient.id
            )
        ).all()
        if not rows:
            return _FlowFacts()
        agreed = {name: value for name, value in rows[0].facts.items()
                  if all(name in row.facts and row.facts[name] == value for row in rows)}  # fmt: skip
        if any(set(row.facts) != set(agreed) for row in rows):
            self.claims.notes.add("several flows are registered between the same parties and differ: only what they"
                                  " agree on is known")  # fmt: skip
        read = {holder: registered_values(self._vocabulary, agreed, holder, self.claims.notes)
                for holder in (Holder.LEG, Holder.REQUEST, Holder.EXPORTER, Holder.RECIPIENT)}  # fmt: skip
        return _FlowFacts(leg=read[Holder.LEG], request=read[Holder.REQUEST], exporter=read[Holder.EXPORTER],
                          recipient=read[Holder.RECIPIENT])  # fmt: skip

    def _find_dataset(self) -> _Dataset | None:
        named = self._request.dataset
        claim = named if isinstance(named, DatasetClaim) else None
        id_ = claim.id if claim is not None else named if isinstance(named, str) else None
        row = None if id_ is None else self._connection.execute(
            select(datasets).where(datasets.c.tenant == self._tenant, datasets.c.id == id_)
        ).first()  # fmt: skip
        if row is not None:
            return _Dataset(id=row.id, holder=row.holder, place=row.place, project=row.project, facts=row.facts,
                            claim=claim)  # fmt: skip
        if claim is not None:
            return _Dataset(id=claim.id, project=claim.project, claim=claim)
        if id_ is not None:
            known = self._ids(datasets.c.id, datasets.c.tenant)
            self.claims.faults.add("dataset", f"unknown data set `{id_}`",
                                   suggestion(id_, known) or "register the data set first")  # fmt: skip
        return None

    def _check_holder(self, holder: str | None) -> None:
        """Refuse an exporter that has nothing to do with whoever holds the data set."""
        exporter = self._exporter
        if holder is None or exporter is None or exporter.id in (holder, None) or self._request.dry_run:
            return
        owner = self.book.registered(holder)
        if owner is not None and owner.group is not None and owner.group == exporter.group:
            return
        between = select(flows.c.id).where(
            flows.c.tenant == self._tenant, flows.c.exporter == holder, flows.c.recipient == exporter.id
        )
        if self._connection.scalar(between) is None:
            self.claims.faults.add("exporter", "does not hold this data set",
                                   "name the holder, or register the flow from the holder")  # fmt: skip

    def _registered_parts(self) -> dict[str, dict[str, Value]]:
        dataset = self._dataset
        if dataset is None or dataset.id is None:
            rows = []
        else:
            rows = list(self._connection.execute(
                select(parts.c.id, parts.c.facts)
                .where(parts.c.tenant == self._tenant, parts.c.dataset == dataset.id)
                .order_by(parts.c.position)
            ))  # fmt: skip
        known = {row.id: registered_values(self._vocabulary, row.facts, Holder.PART, self.claims.notes) for row in rows}
        for part in dataset.claim.parts if dataset is not None and dataset.claim is not None else ():
            known[part.id] = self.claims.join(known.get(part.id, {}), self._part_claims(part), "dataset.parts")
        return known

    def _part_claims(self, part: PartClaim) -> dict[str, Value]:
        return registered_values(self._vocabulary, part.facts, Holder.PART)

    def _cohort(self, named: str) -> tuple[str, ...]:
        dataset, slash, name = named.rpartition("/")
        asked = self._dataset.id if self._dataset is not None else None
        where = "subjects.cohort"
        if slash and asked is not None and dataset != asked:
            self.claims.faults.add(where, "belongs to another data set", f"name a cohort of `{asked}`")
            return ()
        owner = dataset if slash else asked
        known = list(self._connection.scalars(
            select(cohorts.c.name).where(cohorts.c.tenant == self._tenant, cohorts.c.dataset == owner)
        ))  # fmt: skip
        if name not in known:
            self.claims.faults.add(where, f"unknown cohort `{named}`",
                                   suggestion(name, known) or "write `dataset/name` of a registered one")  # fmt: skip
            return ()
        columns = cohort_members.c
        members = tuple(self._connection.scalars(
            select(columns.subject)
            .where(columns.tenant == self._tenant, columns.dataset == owner, columns.cohort == name)
            .order_by(columns.subject)
        ))  # fmt: skip
        if not members:
            self.claims.faults.add(where, "has nobody in it", "register its members")
        return members

    def _ids(self, column: Any, tenant: Any) -> list[str]:  # noqa: ANN401 - columns of whichever table
        return list(self._connection.scalars(select(column).where(tenant == self._tenant)))
