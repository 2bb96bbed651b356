"""The demo's world: the same bytes each time, valid FHIR, many scripts, and no dangling name."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from governance.consent.fhir import import_consent
from governance.core.consent import ConsentContext, ConsentState, evaluate_consents
from governance.demo.consents import spread_states, write_consent
from governance.demo.world import _random, generate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world")
    generate(out, seed=7, patients=60)
    return out


def load(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(world, tmp_path) -> None:
    generate(tmp_path, seed=7, patients=60)
    assert fingerprint(world) == fingerprint(tmp_path)


def test_another_seed_gives_other_records_of_as_many_people(world, tmp_path) -> None:
    generate(tmp_path, seed=8, patients=60)
    one, other = fingerprint(world), fingerprint(tmp_path)
    records = {name for name in one if name.startswith("records/")}
    assert records == {name for name in other if name.startswith("records/")}
    assert not any(one[name] == other[name] for name in records)


def test_the_day_can_be_moved_and_papers_move_with_it(tmp_path) -> None:
    generate(tmp_path, patients=20, today=date(2027, 6, 1))
    ledger = next(e for e in load(tmp_path / "register/evidence.json") if e["type"] == "ledger-complete")
    assert ledger["issued_on"] == "2027-05-22"


def test_every_bundle_is_valid_fhir_r4(world) -> None:
    bundles = sorted((world / "records").rglob("*.json"))
    model = get_fhir_model_class("Bundle")
    kinds = {model.model_validate_json(path.read_bytes()).type for path in bundles}
    assert kinds == {"transaction", "collection"}
    assert len(bundles) == len(load(world / "register/subjects.json"))


def test_every_consent_is_valid_fhir_r4_and_can_be_read(world) -> None:
    model = get_fhir_model_class("Consent")
    paths = sorted((world / "consents").glob("*.json"))
    for path in paths:
        model.model_validate_json(path.read_bytes())
    dialects = {import_consent(load(path), recorded=NOW).dialect for path in paths}
    assert dialects == {"context", "root-type"}


@pytest.mark.parametrize(("state", "expected"), [
    ("given", ConsentState.GIVEN), ("refused", ConsentState.REFUSED), ("rejected", ConsentState.REFUSED),
    ("withdrawn", ConsentState.WITHDRAWN), ("expired", ConsentState.EXPIRED), ("ambiguous", ConsentState.UNCLEAR),
])  # fmt: skip
def test_each_kind_of_consent_is_evaluated_to_what_it_says(state, expected) -> None:
    terms = {"purpose": "HRESCH", "to": ["transfer"], "form": ["explicit"], "told": ["destination"]}
    context = ConsentContext(purposes=frozenset({"HRESCH"}), recipients=frozenset({"somewhere"}), custodian="holder",
                             action="disclose", purpose_ancestors={"HRESCH": frozenset(), "TREAT": frozenset()})  # fmt: skip
    for seed in range(20):
        document = write_consent(state=state, subject="s", holder="holder", policy="https://example.org/p", terms=terms,
                                 today=NOW.date(), random=_random(seed))  # fmt: skip
        imported = import_consent(document, recorded=NOW)
        answer = evaluate_consents([imported.consent], context, NOW)
        assert answer.state is expected
        if state == "given":
            assert (answer.to, answer.told, answer.by) == (frozenset({"transfer"}), frozenset({"destination"}), "subject")
    assert import_consent(document, recorded=NOW).consent.id


def test_states_are_dealt_in_proportion_and_none_is_forgotten() -> None:
    dealt = spread_states({"given": 90, "refused": 9, "none": 1}, 50, _random(1))
    assert {state: dealt.count(state) for state in set(dealt)} == {"given": 45, "refused": 4, "none": 1}


def test_several_scripts_and_languages_are_there(world) -> None:
    scripts: set[str] = set()
    languages: set[str] = set()
    for path in (world / "records").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        scripts |= {unicodedata.name(c, "?").split(" ")[0] for c in set(text) if ord(c) > 0x2FF}
        for entry in json.loads(text)["entry"]:
            for content in entry["resource"].get("content", []):
                languages.add(content["attachment"].get("language", "en"))
    assert {"GREEK", "ARABIC", "DEVANAGARI", "CJK"} <= scripts
    assert {"de", "en", "fr", "sw"} <= languages


def test_notes_name_the_patient_and_hide_nothing_unfilled(world) -> None:
    named = notes = 0
    for path in (world / "records").rglob("*.json"):
        entries = load(path)["entry"]
        family = entries[0]["resource"]["name"][0]["family"]
        for entry in entries:
            for content in entry["resource"].get("content", []):
                text = base64.b64decode(content["attachment"]["data"]).decode()
                notes += 1
                named += family in text
                assert "{" not in text
    assert notes > 20
    assert named / notes > 0.6


def test_every_name_in_a_request_is_registered(world) -> None:
    parties = {p["id"] for p in load(world / "register/parties.json")}
    datasets = {d["id"]: d for d in load(world / "register/datasets.json")}
    projects = {p["id"] for p in load(world / "register/projects.json")}
    subjects = {s["id"] for s in load(world / "register/subjects.json")}
    requests = sorted((world / "requests").glob("*.json"))
    assert len(requests) >= 12
    for path in requests:
        request = load(path)
        dataset = datasets[request["dataset"]]
        assert dataset["holder"] == request["exporter"]
        assert {leg["recipient"] for leg in request["legs"]} <= parties
        assert request.get("project", next(iter(projects))) in projects
        assert set(request.get("parts", [])) <= {part["id"] for part in dataset["parts"]}
        if "cohort" in request["subjects"]:
            name, _, cohort = request["subjects"]["cohort"].partition("/")
            assert name == dataset["id"]
            members = dataset["cohorts"][cohort]
        else:
            members = request["subjects"]["ids"]
        assert members
        assert set(members) <= subjects


def test_the_register_names_only_what_it_holds(world) -> None:
    parties = {p["id"] for p in load(world / "register/parties.json")}
    datasets = {d["id"] for d in load(world / "register/datasets.json")}
    for flow in load(world / "register/flows.json"):
        assert {flow["exporter"], flow["recipient"]} <= parties
    for item in load(world / "register/evidence.json"):
        scope = item["scope"]
        assert {*scope.get("exporter", []), *scope.get("recipient", [])} <= parties
        assert set(scope.get("dataset", [])) <= datasets
        assert item["submitted_by"] != item["verified_by"]
    for owner in (o for p in load(world / "register/parties.json") for o in p["owners"]):
        assert set(owner) == {"place", "share"} or owner["party"] in parties


def test_institutions_sit_in_six_countries_or_more(world) -> None:
    assert len({p["place"][:2] for p in load(world / "register/parties.json")}) >= 6


def test_patients_and_records_share_their_identifiers(world) -> None:
    for dataset in load(world / "register/datasets.json"):
        first = load(world / "records" / dataset["id"] / "0001.json")["entry"][0]["resource"]["identifier"][0]["value"]
        known = {i["value"] for s in load(world / "register/subjects.json") for i in s["identifiers"]}
        assert first in known
