from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import InputError
from governance.store.requests import parse_request
from tests.store.world import REQUEST, VOCABULARY


def faults(source: Any, **more: Any) -> dict[str, tuple[str, str | None]]:
    with pytest.raises(InputError) as caught:
        parse_request(source, VOCABULARY, **more)
    error = caught.value
    if not error.diagnostics:
        return {str(error.where): (error.message, error.hint)}
    return {fault.where: (fault.message, fault.hint) for fault in error.diagnostics}


def test_a_flat_leg_is_the_same_as_one_leg() -> None:
    flat = {key: value for key, value in REQUEST.items() if key != "legs"} | REQUEST["legs"][0]
    assert parse_request(flat, VOCABULARY) == parse_request(REQUEST, VOCABULARY)


def test_bytes_and_document_are_read_alike_and_the_document_comes_back() -> None:
    read = parse_request(json.dumps(REQUEST).encode(), VOCABULARY)
    assert read == parse_request(REQUEST, VOCABULARY)
    assert read.document() == REQUEST
    assert parse_request(read.document(), VOCABULARY) == read


def test_all_faults_come_at_once_with_place_and_suggestion() -> None:
    found = faults({
        "purpose": "reserch", "origin": "XX", "exporter": 3, "purpos": "x",
        "legs": [{"destination": "USA", "action": "transfr", "facts": {"repetition": "one-off"}}],
        "subjects": {"ids": ["a"], "count": 2}, "profiles": ["safe-harbour"], "cannot": ["fly"],
        "facts": {"repetitoin": "one-off", "recipient.type": "pharma!", "start": "tomorrow", "purpose": "care",
                  "count": 3, "funders": "publik", "budget": [5, 1]},
    }, profiles=["as-is", "safe-harbor"])  # fmt: skip
    assert found["purpose"] == ("unknown purpose `reserch`", "did you mean `research`?")
    assert found["origin"][0] == "unknown place `XX`"
    assert found["legs[0].destination"][0] == "unknown place `USA`"
    assert found["legs[0].action"][0] == "unknown word `transfr`"
    assert found["legs[0].facts.repetition"][0] == "`repetition` is no fact of a leg"
    assert found["purpos"] == ("unknown field `purpos`", "did you mean `purpose`?")
    assert found["profiles[0]"] == ("unknown profile `safe-harbour`", "did you mean `safe-harbor`?")
    assert found["cannot[0]"][0] == "unknown duty `fly`"
    assert found["facts.repetitoin"] == ("unknown fact `repetitoin`", "did you mean `repetition`?")
    assert found["facts.recipient.type"][0] == "unknown word `pharma!`"
    assert found["facts.start"][0] == "`start` has to be a date, YYYY-MM-DD"
    assert found["facts.purpose"][0] == "`purpose` is a field of its own"
    assert found["facts.count"][0] == "`count` is computed and cannot be given"
    assert found["facts.funders"] == ("unknown word `publik`", "did you mean `public`?")
    assert found["facts.budget"][0] == "`budget` has to be a number or [low, high]"
    assert found["subjects"][0] == "say either `cohort`, `ids` or `count`"
    assert "exporter" in found


def test_norway_is_a_country_and_a_subdivision_of_a_known_country_a_place() -> None:
    assert parse_request({**REQUEST, "origin": "NO"}, VOCABULARY).origin == "NO"
    assert parse_request({**REQUEST, "origin": "US-CA"}, VOCABULARY).origin == "US-CA"


def test_descriptions_are_for_dry_runs_only() -> None:
    described = {**REQUEST, "exporter": {"place": "DE", "facts": {"rolle": "controller"}}}
    assert set(faults(described)) == {"exporter", "exporter.facts.rolle"}
    assert set(faults({**described, "dry_run": True})) == {"exporter.facts.rolle"}


def test_a_dry_run_cannot_be_carried() -> None:
    assert "carry" in faults({**REQUEST, "dry_run": True, "carry": "self"})


def test_subjects_are_asked_for() -> None:
    assert faults({"purpose": "care"})["subjects"][0] == "is missing"


@pytest.mark.parametrize("source", [
    b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"purpose": "care", "purpose": "research"}', b'{"facts": {"budget": NaN}}',
    b"[" * 100_000, b'{"a": ' + b"9" * 10_000 + b"}",
])  # fmt: skip
def test_what_is_no_request_is_refused_with_a_place(source: bytes) -> None:
    assert faults(source)


def test_legs_and_a_flat_leg_do_not_mix() -> None:
    assert "destination" in faults({**REQUEST, "destination": "US"})


def test_facts_of_a_leg_belong_into_it_when_there_are_several() -> None:
    two = {**REQUEST, "legs": REQUEST["legs"] * 2, "facts": {"onward.places": []}}
    assert faults(two)["facts.onward.places"][0] == "`onward.places` belongs to one leg"


@pytest.mark.parametrize("subjects", [
    {"ids": ["canary-4711", 5, "canary-4712", ""]}, {"ids": []}, {"count": 0}, {"count": True}, {"cohort": 7},
    {"canary-4711": "x"}, "canary-4711", {"ids": {"canary-4711": 1}},
])  # fmt: skip
def test_no_message_about_patients_quotes_them(subjects: Any) -> None:
    request = {**REQUEST, "subjects": subjects, "facts": {"subject.residence": "canary-4711", "subject.can_consent": "canary-4711"}}
    with pytest.raises(InputError) as caught:
        parse_request(request, VOCABULARY)
    said = [fault for fault in caught.value.diagnostics if not fault.where.startswith("subjects.canary")]
    assert "canary" not in " ".join(map(str, said)).replace("unknown field `canary-4711`", "")


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                     max_leaves=8)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*REQUEST, "facts", "parts", "origin", "cannot", "dry_run", "recipient", "profiles"]), _JSON))
def test_any_json_is_a_request_or_has_diagnostics(changes: dict[str, Any]) -> None:
    try:
        parse_request({**REQUEST, **changes}, VOCABULARY, profiles=["as-is"])
    except InputError as error:
        faults = error.diagnostics
    else:
        return
    assert faults
