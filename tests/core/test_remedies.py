"""Remedies: one change each, checked, and never what is closed."""

from datetime import timedelta

import pytest

from governance.core.conditions import Not
from governance.core.consent import Consent, ConsentStatus
from governance.core.remedies import remedies
from tests.core.builders import (
    ALWAYS,
    NOON,
    ConsentTest,
    Gate,
    Interval,
    Measure,
    Operator,
    fact,
    facts,
    ground,
    leg,
    mechanism,
    need,
    number,
    open_law,
    paper,
    people,
    policy_set,
    question,
    regime,
    rule,
)


def found(law, given=None, **more) -> list[tuple[str, str]]:
    return [(r.kind, r.what) for r in remedies(policy_set(law), question(), given or facts(), NOON, **more)]


def test_a_permit_needs_no_remedy() -> None:
    assert found(open_law()) == []


def test_missing_evidence_is_a_remedy_and_evidence_that_would_not_help_is_none() -> None:
    law = regime(ground(), mechanism("a", needs=(need("contract"),)), mechanism("b", needs=(need("contract"), need("ethics"))))
    assert found(law) == [("evidence", "contract")]
    assert found(law, facts(evidence=[paper("contract")])) == []


def test_a_missing_fact_is_a_remedy() -> None:
    law = regime(ground(when=fact("repetition", "one-off")), silent=(Gate.MECHANISM,))
    assert found(law) == [("fact", "repetition")]


def test_what_is_asked_is_never_changed() -> None:
    law = regime(ground(when=fact("purpose", "care")), silent=(Gate.MECHANISM,))
    assert found(law) == []


def test_what_the_register_says_of_the_recipient_may_change() -> None:
    law = regime(ground(), mechanism(when=fact("recipient.certifications", "listed")))
    assert found(law) == [("fact", "recipient.certifications")]


def test_another_profile_is_a_remedy() -> None:
    law = open_law(rule(Gate.PROHIBITION, when=fact("data.form", "identified")))
    assert found(law) == [("profile", "pseudonymised")]


_BY_CONSENT = regime(ground(consent=ConsentTest(to=frozenset({"transfer"}))), silent=(Gate.MECHANISM,))


def test_a_consent_that_nobody_asked_for_is_a_remedy() -> None:
    assert found(_BY_CONSENT) == [("consent", "to: transfer")]


@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_the_patient_has_closed_is_no_remedy(withdrawn) -> None:
    before = NOON - timedelta(days=30)
    status = ConsentStatus.INACTIVE if withdrawn else ConsentStatus.REJECTED
    closed = Consent(id="c", effective=before, recorded=before, status=status, ended=before + timedelta(days=1) if withdrawn else None,
                     withdrawn=withdrawn, base=True, to=frozenset({"transfer"}))  # fmt: skip
    given = facts(classes=[people(consents=(closed,))])
    assert [kind for kind, _ in found(_BY_CONSENT, given) if kind == "consent"] == []


def test_the_bound_on_trying_is_said() -> None:
    law = open_law(rule(Gate.PROHIBITION, unless=Not(member=ALWAYS)), mechanism("x", needs=(need("contract"),)))
    assert found(law, cap=1)[-1] == ("more", "1")


def test_people_of_whom_everything_is_equal_are_tried_once_and_counted_together() -> None:
    measure = Measure(key="count[law/people]", within=ALWAYS, per=("exporter.id",), window_days=365)
    law = regime(
        rule(Gate.PROHIBITION, when=number("count[law/people]", Operator.ABOVE, 10)),
        ground(when=fact("repetition", "one-off")), silent=(Gate.MECHANISM,),
    )  # fmt: skip

    def answered(*sizes: int) -> list[tuple[str, str]]:
        given = facts(legs=[leg({"count[law/people]": Interval(0, 0)})], classes=[people(size) for size in sizes])
        return [(r.kind, r.what) for r in remedies(policy_set(law, measures=[measure]), question(), given, NOON)]

    assert answered(5, 5) == [("fact", "repetition")]
    assert answered(5, 6) == []
