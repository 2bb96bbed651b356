from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from governance.core.consent import (
    Actor,
    Consent,
    ConsentContext,
    ConsentState,
    ConsentStatus,
    DataScope,
    Period,
    Provision,
    RelatedData,
    evaluate_consents,
)
from governance.errors import ConflictError, InputError
from governance.store.consents import (
    ConsentEvent,
    ConsentEventKind,
    consent_events_of,
    consent_version,
    known_consents,
    recheck_consents,
    record_consent_event,
)
from governance.store.sealing import subject_ref
from tests.store.world import KEY, NOW, TENANT, Keys, consent, gather

P1 = subject_ref(KEY, TENANT, "p1")
CONTEXT = ConsentContext(purposes=frozenset({"HRESCH"}), recipients=frozenset({"biobank"}), custodian="charite",
                         action="disclose", places=frozenset({"US"}))  # fmt: skip
K = ConsentEventKind


def given_(days: float, *, base: bool = True, name: str = "c1", **more: Any) -> ConsentEvent:
    at = NOW + timedelta(days=days)
    return ConsentEvent(kind=K.RECORDED, effective=at, recorded=at, content=consent(name, at=at, base=base, **more))


def event(kind: K, days: float, name: str | None = "c1", *, recorded: float | None = None) -> ConsentEvent:
    return ConsentEvent(kind=kind, effective=NOW + timedelta(days=days), consent=name,
                        recorded=NOW + timedelta(days=days if recorded is None else recorded))  # fmt: skip


def state(*events: ConsentEvent | None, days: float = 0) -> ConsentState:
    at = NOW + timedelta(days=days)
    return evaluate_consents(known_consents(events, at), CONTEXT, at).state


def put(connection: Connection, keys: Keys, *events: ConsentEvent, ref: str = P1) -> None:
    keys.create(TENANT, [ref])
    for one in events:
        record_consent_event(connection, tenant=TENANT, ref=ref, event=one, sealer=keys)


def test_a_consent_comes_back_from_its_sealed_row_as_it_was(world: Connection, keys: Keys) -> None:
    full = Consent(
        id="c9", effective=NOW, recorded=NOW, base=True, group="g", withdrawn=False, to=frozenset({"transfer"}),
        forms=frozenset({"written", "explicit"}), told=frozenset({"risks"}), by="guardian", ambiguous="why", review="who",
        validity=Period(start=NOW), root=Provision(permit=True, purposes=frozenset({"HRESCH"})),
        provisions=(Provision(permit=False, actors=(Actor(role="IRCP", reference="x"),), places=frozenset({"US"}), data=DataScope(
            labels=frozenset({"s|R"}), related=(RelatedData(meaning="instance", reference="Observation/1"),),
            data_period=Period(end=NOW)), provisions=(Provision(permit=True),)),),
    )  # fmt: skip
    put(world, keys, ConsentEvent(kind=K.RECORDED, effective=NOW, recorded=NOW, content=full))
    ((_, read),) = consent_events_of(world, tenant=TENANT, refs=[P1], sealer=keys)
    assert read is not None
    assert read.content == full


def test_given_then_withdrawn_binds_from_then_on() -> None:
    events = given_(-10), event(K.WITHDRAWN, -2)
    assert state(*events) is ConsentState.WITHDRAWN
    assert state(*events, days=-5) is ConsentState.GIVEN


def test_a_withdrawal_that_arrives_first_binds_too() -> None:
    assert state(event(K.WITHDRAWN, -2), given_(-10)) is ConsentState.WITHDRAWN


def test_a_withdrawal_of_everything_ends_everything_but_not_what_is_said_later() -> None:
    events = given_(-10), given_(-9, name="c2"), event(K.WITHDRAWN, -2, None)
    assert state(*events) is ConsentState.WITHDRAWN
    assert state(*events, given_(-1, name="c1")) is ConsentState.GIVEN


def test_a_withdrawal_without_any_consent_binds_as_a_refusal() -> None:
    assert state(event(K.WITHDRAWN, -2, None)) is ConsentState.REFUSED
    assert state(event(K.WITHDRAWN, -2, "never-seen")) is ConsentState.REFUSED


def test_a_withdrawal_of_what_had_ended_binds_as_a_refusal() -> None:
    assert state(given_(-10), event(K.ENDED, -5), event(K.WITHDRAWN, -2)) in (ConsentState.REFUSED, ConsentState.WITHDRAWN)


def test_a_newer_version_replaces_the_older_from_its_day_on() -> None:
    events = given_(-10), given_(-2, base=False)
    assert state(*events) is ConsentState.REFUSED
    assert state(*events, days=-5) is ConsentState.GIVEN


def test_what_was_entered_in_error_never_spoke() -> None:
    assert state(given_(-10), event(K.ENTERED_IN_ERROR, -1)) is ConsentState.NOT_ASKED


def test_what_was_recorded_later_was_not_known() -> None:
    late = ConsentEvent(kind=K.WITHDRAWN, effective=NOW - timedelta(days=3), recorded=NOW + timedelta(days=3), consent="c1")
    assert state(given_(-10), late) is ConsentState.GIVEN
    assert state(given_(-10), late, days=4) is ConsentState.WITHDRAWN
    known = known_consents([given_(-10), late], NOW, known_at=NOW + timedelta(days=4))
    assert evaluate_consents(known, CONTEXT, NOW).state is ConsentState.WITHDRAWN


def test_a_withdrawal_by_a_clock_that_runs_ahead_binds_at_once() -> None:
    assert state(given_(-10), event(K.WITHDRAWN, 1 / (24 * 60))) is ConsentState.WITHDRAWN


def test_a_withdrawal_dated_ahead_waits_for_its_day() -> None:
    ahead = event(K.WITHDRAWN, 5, recorded=-1)
    assert state(given_(-10), ahead) is ConsentState.GIVEN
    assert state(given_(-10), ahead, days=5) is ConsentState.WITHDRAWN


def test_a_patient_whose_key_is_gone_is_unclear_not_unasked(world: Connection, keys: Keys) -> None:
    put(world, keys, given_(-5, base=False))
    keys.destroy(TENANT, P1)
    gathered = gather(world, keys)
    (erased,) = (people for people in gathered.facts.classes if P1 in people.members)
    assert erased.facts == {}
    assert evaluate_consents(erased.consents, CONTEXT, NOW).state is ConsentState.UNCLEAR


def test_the_very_next_facts_know_of_a_withdrawal(world: Connection, keys: Keys) -> None:
    put(world, keys, given_(-5))

    def of_p1() -> ConsentState:
        (people,) = (one for one in gather(world, keys).facts.classes if P1 in one.members)
        return evaluate_consents(people.consents, CONTEXT, NOW).state

    assert of_p1() is ConsentState.GIVEN
    put(world, keys, event(K.WITHDRAWN, 0))
    assert of_p1() is ConsentState.WITHDRAWN


def test_anything_said_after_the_decision_stops_the_release_of_that_patient(world: Connection, keys: Keys) -> None:
    gathered = gather(world, keys)
    other = subject_ref(KEY, TENANT, "stranger")
    put(world, keys, given_(0), ref=other)
    recheck_consents(world, tenant=TENANT, refs=gathered.refs, version=gathered.consent_version)
    put(world, keys, given_(0, base=False))
    with pytest.raises(ConflictError):
        recheck_consents(world, tenant=TENANT, refs=gathered.refs, version=gathered.consent_version)
    recheck_consents(world, tenant=TENANT, refs=gathered.refs, version=consent_version(world, TENANT))


def test_kind_and_content_go_together(world: Connection, keys: Keys) -> None:
    with pytest.raises(InputError):
        put(world, keys, ConsentEvent(kind=K.RECORDED, effective=NOW, recorded=NOW))
    with pytest.raises(InputError):
        put(world, keys, ConsentEvent(kind=K.WITHDRAWN, effective=NOW, recorded=NOW, content=consent()))


_EVENTS = st.lists(
    st.builds(given_, st.integers(-20, 5), base=st.booleans(), name=st.sampled_from(["c1", "c2"]))
    | st.builds(event, st.sampled_from([K.WITHDRAWN, K.ENDED, K.ENTERED_IN_ERROR]), st.integers(-20, 5),
                st.sampled_from(["c1", "c2", None])),
    max_size=5,
)  # fmt: skip


@given(_EVENTS, st.sampled_from(["c1", "c2", "c3", None]))
def test_a_withdrawal_now_never_leaves_a_permit(events: list[ConsentEvent], name: str | None) -> None:
    if name is None:
        assert state(*events, event(K.WITHDRAWN, 0, None)) is not ConsentState.GIVEN
    before, after = state(*events), state(*events, event(K.WITHDRAWN, 0, name))
    assert after is not ConsentState.GIVEN or before is ConsentState.GIVEN


@given(_EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_matters_only_between_versions_of_one_instant(events: list[ConsentEvent], random: Any) -> None:
    apart = [e for n, e in enumerate(events) if e.effective not in {other.effective for other in events[:n]}]
    mixed = random.sample(apart, len(apart))
    assert state(*mixed) is state(*apart)


def test_statuses_of_the_model_are_kept() -> None:
    assert state(given_(-3, status=ConsentStatus.REJECTED)) is ConsentState.REFUSED
    assert state(given_(-3, status=ConsentStatus.PROPOSED)) is not ConsentState.GIVEN
