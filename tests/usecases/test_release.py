"""Releases through the whole house, on records that nobody here wrote and on the demo's world."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class

from governance.errors import ConflictError, InputError
from governance.usecases.audit import account_of, export_log
from governance.usecases.consent import withdraw_consent
from governance.usecases.register import Item, register, revoke, verify
from governance.usecases.release import release
from tests.deidentify.planted import other_words, plant
from tests.usecases.conftest import CUSTODIAN, OFFICER

LANGUAGES = ("en", "de", "es")
RANDOM = re.compile(r"\.(?:fullUrl|id|reference|identifier\.value)$")


def strings(value: Any, path: str = "") -> Any:
    """Every text with its path; base64 data are opened."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, f"{path}.{key}")
            if key == "data" and isinstance(item, str):
                yield f"{path}.{key}()", base64.b64decode(item).decode()
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, path)
    elif isinstance(value, str):
        yield path, value


def patient_of(bundle: dict[str, Any]) -> dict[str, Any] | None:
    return next((e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"), None)


def identifying(bundle: dict[str, Any]) -> Any:
    """Names, addresses, telecom and identifiers, read without the program's own code."""
    for entry in bundle["entry"]:
        resource = entry["resource"]
        yield resource["id"]
        yield from (i["value"] for i in resource.get("identifier", []))
        if resource["resourceType"] not in ("Patient", "Practitioner", "Organization"):
            continue
        names = resource.get("name", [])
        for name in names if isinstance(names, list) else [{"family": names}]:
            yield from [name["family"], *name.get("given", [])]
        yield from (t["value"] for t in resource.get("telecom", []))
        for address in resource.get("address", []):
            yield from [*address["line"], address["city"], address.get("postalCode", "")]


@pytest.fixture(scope="module")
def planted(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[dict[str, Any], str | None, dict[str, str]]]]:
    """All the records, patients' names in the file names, notes planted into every second patient."""
    folder = tmp_path_factory.mktemp("synthea")
    records = []
    for number, file in enumerate(sorted((shared / "data" / "synthea-r4").glob("*.json.gz"))):
        bundle = orjson.loads(gzip.decompress(file.read_bytes()))
        language = LANGUAGES[number // 2 % 3] if patient_of(bundle) and number % 2 else None
        values = plant(bundle, language) if language else {}
        (folder / file.name).write_bytes(gzip.compress(orjson.dumps(bundle)))
        records.append((bundle, language, values))
    return folder, records


PROFILES = {
    "gdpr-pseudonymised": ("03", "klinikum-spreetal", "prairie-heart-institute", "DE-BB"),
    "safe-harbor": ("04", "northgate-medical-center", "hoshino-university", "US-MN"),
}


def prepare(house: Any, profile: str, records: Any, ask: Any) -> dict[str, Any]:
    """Register the patients, a data set of theirs and the papers it needs; return the request."""
    number, exporter, recipient, place = PROFILES[profile]
    base = ask(number)
    subjects = [
        {"id": f"real-{n}", "identifiers": [{"system": i["system"], "value": i["value"]} for i in patient["identifier"][:2]],
         "facts": {"residence": place[:2], "birth_date": patient["birthDate"], "us_person": place.startswith("US"),
                   "instructions": [], "opt_outs": []}}
        for n, (bundle, _, _) in enumerate(records) if (patient := patient_of(bundle)) is not None
    ]
    register(house, CUSTODIAN, Item.SUBJECTS, subjects)
    categories = ["clinical", "imaging", "contact-details", "identity-numbers", "family-details", "financial", "ethnicity",
                  "occupational", "reproductive", "mental", "precise-location", "hiv", "sud-programme", "genetic-test",
                  "abortion", "gender-affirming", "sex-life"] if profile == "safe-harbor" else [
                  "clinical", "imaging", "contact-details", "identity-numbers", "family-details", "financial", "ethnicity",
                  "occupational", "reproductive", "mental", "precise-location", "hiv"]
    register(house, CUSTODIAN, Item.DATASETS, {
        "id": "real", "holder": exporter, "place": place, "project": base["project"],
        "facts": {"sources": ["registry"], "context": ["research"], "state_data": [], "collected_directly": True,
                  "large_scale": False},
        "parts": [{"id": "clinical", "facts": {"categories": [c for c in categories if c != "sud-programme"], "form": "identified",
                                               "row_level": True, "biospecimens": False}}],
        "cohorts": {"all": [s["id"] for s in subjects]},
    })
    parties = {"exporter": [exporter], "recipient": [recipient]}
    common = {"issued_on": "2026-11-01", "valid_from": "2026-11-01", "valid_until": "2027-11-01", "properties": {}}
    papers = [
        {"id": "r-1", "type": "no-actual-knowledge", "outcome": "attested", "scope": parties | {"dataset": ["real"]}, **common},
        {"id": "r-2", "type": "ethics-approval", "outcome": "approved",
         "scope": {"project": [base["project"]], "dataset": ["real"]}, **common | {"properties": {"body_place": place[:2]}}},
        {"id": "r-3", "type": "dpia", "outcome": "risk-acceptable",
         "scope": {"exporter": [exporter], "dataset": ["real"], "purpose": ["research"]}, **common},
        {"id": "r-4", "type": "eu-scc", "outcome": "signed",
         "scope": parties | {"purpose": ["research"], "categories": categories},
         **common | {"properties": {"module": "controller-to-controller", "unmodified": "yes"}}},
    ]
    register(house, CUSTODIAN, Item.EVIDENCE, papers)
    for paper in papers:
        verify(house, OFFICER, paper["id"])
    return {k: v for k, v in base.items() if k not in ("parts", "withhold")} | {
        "dataset": "real", "subjects": {"cohort": "real/all"}, "profiles": [profile]}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_all_real_records_cross_in_the_permitted_form_and_nobody_can_be_found_in_them(profile, house, planted, ask, tmp_path) -> None:
    folder, records = planted
    request = prepare(house, profile, records, ask)
    out = tmp_path / "out"
    done = release(house, CUSTODIAN, folder, request, out)
    assert done.decided.document["effect"] == "permit", json.dumps(done.decided.document, indent=1)[:4000]
    written = [orjson.loads(p.read_bytes()) for p in sorted((out / "records").iterdir())]
    assert len(written) == len(records)
    assert [p.name for p in sorted((out / "records").iterdir())] == [f"{n:06d}.json" for n in range(1, len(records) + 1)]

    total = 0
    for (before, language, values), after in zip(records, written, strict=True):
        total += len(after.get("entry", []))
        wanted = {value.lower() for value in identifying(before) if len(value) >= 4}
        shape = re.compile(r"(?<![^\W_])(?:" + "|".join(sorted(map(re.escape, wanted))) + r")(?![^\W\d_])")
        left = {(path, hit.group()) for path, text in strings(after) for hit in shape.finditer(text.lower())
                if not (hit.group().isdecimal() and len(hit.group()) < 6 and RANDOM.search(path))}
        assert left == set()
        urls = {entry["fullUrl"] for entry in after.get("entry", [])}
        for entry in after.get("entry", []):
            resource = entry["resource"]
            get_fhir_model_class(resource["resourceType"]).model_validate_json(orjson.dumps(resource))
            inside = {f"#{one['id']}" for one in resource.get("contained", [])}
            assert {text for path, text in strings(resource) if path.endswith(".reference")} <= urls | inside
        if language and profile == "gdpr-pseudonymised":
            kept = " ".join(text for path, text in strings(after) if path.endswith(("conclusion", "data()"))).lower()
            words = [w.lower() for w in other_words(language, values)]
            survived = sum(word in kept for word in words)
            assert survived >= 0.9 * len(words)
    assert total == done.summary["resources"] > 2000

    # file names of the input are the patients' names: none of them, and no input id, in anything written
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file()).lower()
    for file in folder.iterdir():
        for word in file.name.lower().split("_")[:-1]:
            assert not re.search(rb"(?<![a-z])" + word.encode() + rb"(?![a-z])", everything)


def test_intervals_of_a_patient_survive_and_no_date_is_the_one_before(house, planted, ask, tmp_path) -> None:
    folder, records = planted
    request = prepare(house, "gdpr-pseudonymised", records, ask)
    release(house, CUSTODIAN, folder, request, tmp_path / "out")
    for (before, _, _), path in zip(records, sorted((tmp_path / "out" / "records").iterdir()), strict=True):
        after = orjson.loads(path.read_bytes())
        old = [e["resource"]["period"]["start"] for e in before["entry"] if e["resource"]["resourceType"] == "Encounter"]
        new = [e["resource"]["period"]["start"] for e in after.get("entry", []) if e["resource"]["resourceType"] == "Encounter"]
        days = {(date.fromisoformat(b[:10]) - date.fromisoformat(a[:10])).days for a, b in zip(old, new, strict=True)}
        assert len(days) <= 1
        assert 0 not in days
        assert all(a[10:] == b[10:] for a, b in zip(old, new, strict=True))


def test_the_receipt_verifies_and_the_account_shows_the_release(house, world, ask, tmp_path) -> None:
    out = tmp_path / "out"
    request = ask("02")
    done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, out)
    assert done.summary is not None
    export_log(house, OFFICER, tmp_path / "log")
    ran = subprocess.run([sys.executable, "-m", "audit", "verify-receipt", str(out / "receipt.tlog-proof"), "--key", str(tmp_path / "log" / "key")],
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = account_of(house, OFFICER, request["subjects"]["ids"][0], reason="request")
    assert any(line.get("release") == done.summary["id"] for line in lines)
    assert {p.name for p in out.iterdir()} == {"records", "manifest.json", "decision.json", "receipt.tlog-proof"}


def test_only_those_who_may_go_are_handed_out_and_the_rest_is_counted(house, world, ask, tmp_path) -> None:
    request = ask("03")
    done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "out")
    document = done.decided.document
    assert document["effect"] == "permit"
    assert done.summary["records"] == document["subjects"]["in"]
    assert done.summary["left_out"]["not permitted"] == document["subjects"]["out"] > 0


def test_a_withheld_part_stays_behind(house, world, ask, tmp_path) -> None:
    request = ask("05")
    done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "out")
    assert done.decided.document["parts"]["withheld"] == ["psychotherapy"]
    written = b"".join(p.read_bytes() for p in (tmp_path / "out" / "records").iterdir())
    assert b"PSYTHPN" not in written
    assert b"Condition" in written


def test_two_recipients_cannot_link_and_the_same_recipient_can_follow(house, world, ask, tmp_path) -> None:
    def ids(number: str, name: str) -> set[str]:
        request = ask(number, profiles=["gdpr-pseudonymised"], withhold={"subjects": True})
        done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / name)
        assert done.summary is not None, done.decided.document["says"]
        return {text for p in (tmp_path / name / "records").iterdir() for path, text in strings(orjson.loads(p.read_bytes()))
                if path.endswith((".id", ".value", ".fullUrl"))}

    first, again, other = ids("03", "a"), ids("03", "b"), ids("13", "c")
    assert first == again
    long = {text for text in other if len(text) >= 32}
    assert long
    assert not first & long


def test_a_denied_release_leaves_nothing(house, world, ask, tmp_path) -> None:
    request = ask("14")
    done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "out")
    assert (done.decided.document["effect"], done.summary) == ("deny", None)
    assert list(tmp_path.glob("*out*")) == []


def test_a_withdrawal_during_the_release_stops_it(house, world, ask, tmp_path) -> None:
    request = ask("02")
    patient = request["subjects"]["ids"][0]
    once: list[bool] = []

    def withdraw_in_between(stage: str, _done: int, _of: int | None) -> None:
        if stage in ("changing", "copying") and not once:
            once.append(True)
            withdraw_consent(house, CUSTODIAN, patient)

    size = house.log.size("demo")
    with pytest.raises(ConflictError, match="consent changed"):
        release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "out", progress=withdraw_in_between)
    assert list(tmp_path.glob("*out*")) == []
    assert house.log.size("demo") == size + 1  # the withdrawal alone


def test_a_document_revoked_during_the_release_stops_it(house, world, ask, tmp_path) -> None:
    request = ask("02")
    papers = json.loads((world / "register" / "evidence.json").read_text())
    contract = next(p["id"] for p in papers if p["type"] == "eu-scc" and "prairie-heart-institute" in p["scope"]["recipient"])
    once: list[bool] = []

    def revoke_in_between(stage: str, _done: int, _of: int | None) -> None:
        if stage in ("changing", "copying") and not once:
            once.append(True)
            revoke(house, OFFICER, contract)

    with pytest.raises(ConflictError, match="was revoked"):
        release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "out", progress=revoke_in_between)
    assert list(tmp_path.glob("*out*")) == []


def test_records_of_people_nobody_registered_are_never_released(house, world, ask, tmp_path) -> None:
    request = ask("02")
    stranger = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
        "resourceType": "Patient", "id": "x", "identifier": [{"system": "urn:x", "value": "nobody-0001"}]}}]}
    source = tmp_path / "in.json"
    source.write_bytes(orjson.dumps(stranger))
    with pytest.raises(InputError, match="none of these records"):
        release(house, CUSTODIAN, source, request, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []


def test_ndjson_comes_out_as_ndjson_with_references_that_resolve(house, world, ask, tmp_path) -> None:
    request = ask("02", profiles=["gdpr-pseudonymised"])
    bundles = [json.loads(p.read_text()) for p in sorted((world / "records" / request["dataset"]).iterdir())]
    text = b"\n".join(orjson.dumps(e["resource"]) for b in bundles for e in b["entry"])
    for bundle in bundles:
        for entry in bundle["entry"]:
            name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            text = text.replace(entry["fullUrl"].encode(), name.encode())
    source = tmp_path / "in.ndjson.gz"
    source.write_bytes(gzip.compress(text))
    done = release(house, CUSTODIAN, source, request, tmp_path / "out")
    assert done.summary["records"] == len(request["subjects"]["ids"])
    resources = [orjson.loads(line) for line in (tmp_path / "out" / "records.ndjson").read_bytes().splitlines()]
    assert len(resources) == done.summary["resources"] > 10
    names = {f"{r['resourceType']}/{r['id']}" for r in resources}
    used = {text for r in resources for path, text in strings(r) if path.endswith(".reference")}
    assert used
    assert used <= names
