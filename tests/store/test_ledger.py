from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from governance.core.decide import decide
from governance.core.facts import Interval
from governance.core.rules import Measure
from governance.core.ruling import Allowed, Effect, Ruling
from governance.errors import ConflictError, IntegrityError, NotFoundError
from governance.store.counters import window_start
from governance.store.facts import Gathered
from governance.store.ledger import LapsedGrant, close_grant, lapsed_grants, people_counted, reserve
from governance.store.register import register_parties
from governance.store.tables import grants, ledger
from tests.store.world import COUNT, KEY, NOW, PARTIES, REQUEST, TENANT, VOCABULARY, YEAR, Keys, gather, paper, policies

ATTESTED = {
    "id": "complete", "type": "ledger-complete", "scope": {"exporter": ["charite"]}, "issued_on": "2026-01-01",
    "valid_from": "2026-01-01", "outcome": "attested",
}  # fmt: skip


def permit(gathered: Gathered, *, parts: tuple[str, ...] = ("clinical", "genomes"), at: datetime = NOW, **changes: Any) -> Ruling:
    allowed = tuple(Allowed(subject_class=n, parts=parts) for n in range(len(gathered.facts.classes)))
    ruling = Ruling(effect=Effect.PERMIT, at=at, policy="sha256:test", semantics=1, profile="as-is", allowed=allowed)
    return replace(ruling, **changes)


def send(connection: Connection, keys: Keys, source: str = "r-1", *, at: datetime = NOW, state: Any = "sent", **changes: Any) -> int:
    gathered = gather(connection, keys, {**REQUEST, **changes}, at=at)
    return reserve(connection, tenant=TENANT, gathered=gathered, ruling=permit(gathered, at=at), source=source, at=at,
                   policies=policies(), index_key=KEY, state=state)  # fmt: skip


def counted(connection: Connection, keys: Keys, *, at: datetime = NOW, **changes: Any) -> float:
    return gather(connection, keys, {**REQUEST, **changes}, at=at).facts.legs[0].counted[COUNT].low


def grant(connection: Connection, name: str = "g-1") -> None:
    connection.execute(insert(grants).values(
        tenant=TENANT, id=name, decision="d-1", recipient="biobank", profile="as-is", policy="p", issued=NOW,
        lapses=NOW + timedelta(minutes=15),
    ))  # fmt: skip


def test_people_are_counted_once_however_often_they_are_sent(world: Connection, keys: Keys) -> None:
    assert counted(world, keys) == 0
    assert send(world, keys) == 3
    send(world, keys, "r-2", subjects={"ids": ["p1", "p4"]})
    assert counted(world, keys) == 4


def test_the_upper_bound_is_open_unless_somebody_attests_the_ledger(world: Connection, keys: Keys) -> None:
    send(world, keys)
    assert gather(world, keys).facts.legs[0].counted == {COUNT: Interval(3.0, inf)}
    paper(world, ATTESTED)
    assert gather(world, keys).facts.legs[0].counted == {COUNT: Interval(3.0, 3.0)}


def test_an_attestation_that_may_be_somebody_elses_closes_nothing(world: Connection, keys: Keys) -> None:
    paper(world, ATTESTED)
    law = policies(measures={COUNT: replace(policies().measures[COUNT], per=("recipient.id",))})
    request = {"legs": REQUEST["legs"], "subjects": {"count": 3}}
    assert gather(world, keys, request, law=law).facts.legs[0].counted == {COUNT: Interval(0.0, inf)}


def test_two_measures_of_one_counter_are_told_apart(world: Connection, keys: Keys) -> None:
    law = policies(measures={key: replace(policies().measures[COUNT], key=key) for key in (COUNT, YEAR)})
    send(world, keys)
    assert {key: count.low for key, count in gather(world, keys, law=law).facts.legs[0].counted.items()} == {COUNT: 3, YEAR: 0}


def test_classes_know_how_many_were_counted_before(world: Connection, keys: Keys) -> None:
    send(world, keys, subjects={"ids": ["p1", "p3"]})
    before = {people.size: people.counted_before.get((0, COUNT), 0) for people in gather(world, keys).facts.classes}
    assert before == {2: 1, 1: 1}


def test_sister_companies_share_a_count_and_a_change_of_group_resets_none(world: Connection, keys: Keys) -> None:
    send(world, keys)
    sister = {"legs": [{"recipient": "sister", "destination": "US"}]}
    assert counted(world, keys, **sister) == 3
    assert counted(world, keys, legs=[{"recipient": "acme-holding", "destination": "US"}]) == 0
    holding = [{**PARTIES[3], "group": "acme"}]
    register_parties(world, holding, VOCABULARY, tenant=TENANT, replace=True)
    assert counted(world, keys, legs=[{"recipient": "acme-holding", "destination": "US"}]) == 3
    left = [{**PARTIES[1], "group": "new-name"}]
    register_parties(world, left, VOCABULARY, tenant=TENANT, replace=True)
    assert counted(world, keys) == 3


def test_a_rolling_window_includes_its_first_instant_and_nothing_earlier(world: Connection, keys: Keys) -> None:
    send(world, keys)
    edge = NOW + timedelta(days=365)
    assert counted(world, keys, at=edge) == 3
    assert counted(world, keys, at=edge + timedelta(microseconds=1)) == 0


def test_a_calendar_year_begins_in_utc() -> None:
    measure = Measure(key=YEAR, within=policies().measures[COUNT].within, per=("exporter.id",), window_days=None)
    assert window_start(measure, NOW) == datetime(2026, 1, 1, tzinfo=UTC)
    assert window_start(replace(measure, window_days=30), NOW) == NOW - timedelta(days=30)


def test_only_people_whose_going_data_are_within_a_measure_count(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys)
    assert people_counted(policies(), gathered, permit(gathered, parts=("clinical",))) == {}
    assert people_counted(policies(), gathered, permit(gathered, profile="clinical-only")) == {}
    assert people_counted(policies(), gathered, permit(gathered)) == {(0, COUNT): frozenset(gathered.refs)}


def test_people_whose_data_may_be_within_a_measure_count(world: Connection, keys: Keys) -> None:
    request = {**REQUEST, "subjects": {"ids": ["p1"]}}
    del request["dataset"]
    gathered = gather(world, keys, request)
    assert people_counted(policies(), gathered, permit(gathered, parts=("data",))) == {(0, COUNT): frozenset(gathered.refs)}


def test_a_ledger_that_moved_since_the_decision_refuses(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys)
    send(world, keys, subjects={"ids": ["p9"]})
    with pytest.raises(ConflictError, match="ledger moved"):
        reserve(world, tenant=TENANT, gathered=gathered, ruling=permit(gathered), source="r", at=NOW, policies=policies(),
                index_key=KEY)  # fmt: skip


@pytest.mark.parametrize("changes", [{"effect": Effect.DENY}, {"policy": "sha256:other"}])
def test_only_a_permit_under_these_policies_reserves(world: Connection, keys: Keys, changes: dict[str, Any]) -> None:
    gathered = gather(world, keys)
    with pytest.raises(IntegrityError):
        reserve(world, tenant=TENANT, gathered=gathered, ruling=permit(gathered, **changes), source="r", at=NOW,
                policies=policies(), index_key=KEY)  # fmt: skip


def test_a_dry_run_reserves_nobody(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys, {**REQUEST, "dry_run": True})
    with pytest.raises(IntegrityError):
        reserve(world, tenant=TENANT, gathered=gathered, ruling=permit(gathered), source="r", at=NOW, policies=policies(),
                index_key=KEY)  # fmt: skip


def test_a_grant_counts_from_its_issue_and_a_report_of_nothing_sent_frees_it(world: Connection, keys: Keys) -> None:
    grant(world)
    send(world, keys, "g-1", state="reserved")
    assert counted(world, keys) == 3
    close_grant(world, tenant=TENANT, grant="g-1", sent=False, at=NOW + timedelta(minutes=5))
    assert counted(world, keys) == 0
    with pytest.raises(ConflictError):
        close_grant(world, tenant=TENANT, grant="g-1", sent=True, at=NOW)


def test_a_lapsed_grant_counts_as_sent_and_shows(world: Connection, keys: Keys) -> None:
    grant(world)
    send(world, keys, "g-1", state="reserved")
    late = NOW + timedelta(minutes=16)
    assert lapsed_grants(world, tenant=TENANT, at=NOW) == ()
    (shown,) = lapsed_grants(world, tenant=TENANT, at=late)
    assert shown == LapsedGrant(id="g-1", decision="d-1", recipient="biobank", lapsed=NOW + timedelta(minutes=15))
    with pytest.raises(ConflictError):
        close_grant(world, tenant=TENANT, grant="g-1", sent=False, at=late)
    assert counted(world, keys) == 3
    close_grant(world, tenant=TENANT, grant="g-1", sent=True, at=late)
    assert lapsed_grants(world, tenant=TENANT, at=late) == ()
    assert world.scalar(select(grants.c.outcome)) == "sent-late"
    assert counted(world, keys) == 3


def test_an_unknown_grant_cannot_be_closed(world: Connection) -> None:
    with pytest.raises(NotFoundError):
        close_grant(world, tenant=TENANT, grant="g-9", sent=True, at=NOW)


def test_no_row_of_the_ledger_links_to_the_register(world: Connection, keys: Keys) -> None:
    send(world, keys)
    marks = set(world.scalars(select(ledger.c.person)))
    assert len(marks) == 3
    assert marks.isdisjoint(gather(world, keys).refs)


def test_exactly_the_threshold_passes_and_one_more_does_not(world: Connection, keys: Keys) -> None:
    paper(world)
    paper(world, ATTESTED)
    people = [f"x{n}" for n in range(101)]
    keys.create(TENANT, [])
    law = policies()

    def effect(ids: list[str]) -> tuple[Effect, Any]:
        gathered = gather(world, keys, {**REQUEST, "subjects": {"ids": ids}}, law=law)
        facts = replace(gathered.facts, classes=tuple(
            replace(c, facts={**c.facts, "subject.residence": "US", "subject.us_person": True}) for c in gathered.facts.classes
        ))  # fmt: skip
        ruling = decide(law, gathered.question, facts, NOW)
        return ruling.effect, replace(gathered, facts=facts)

    verdict, gathered = effect(people[:60])
    ruling = decide(law, gathered.question, gathered.facts, NOW)
    assert (verdict, ruling.effect) == (Effect.PERMIT, Effect.PERMIT)
    reserve(world, tenant=TENANT, gathered=gathered, ruling=ruling, source="r", at=NOW, policies=law, index_key=KEY, state="sent")
    assert effect(people[:100])[0] is Effect.PERMIT
    assert effect(people[:101])[0] is Effect.DENY
