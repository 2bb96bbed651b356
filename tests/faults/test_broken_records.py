"""Records that are broken: said where, nothing of them shown, nothing handed out, nothing logged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from governance.errors import InputError
from governance.usecases.release import release
from tests.faults.conftest import CANARY, files_in, patient_of
from tests.usecases.conftest import CUSTODIAN

Break = Callable[[dict[str, Any]], object]


def resource(bundle: dict[str, Any]) -> dict[str, Any]:
    return bundle["entry"][1]["resource"]


REFUSED: list[tuple[str, Break, str]] = [
    ("no resourceType", lambda b: resource(b).pop("resourceType"), "2/Bundle/entry[1].resource"),
    ("resourceType is a number", lambda b: resource(b).update(resourceType=7), "2/Bundle/entry[1].resource"),
    ("entries are an object", lambda b: b.update(entry={CANARY: CANARY}), "2/Bundle/entry"),
    ("entries are text", lambda b: b.update(entry=CANARY), "2/Bundle/entry"),
    ("an entry is text", lambda b: b["entry"].insert(1, CANARY), "2/Bundle/entry[1]"),
    ("an entry is null", lambda b: b["entry"].insert(1, None), "2/Bundle/entry[1]"),
    ("a resource is text", lambda b: b["entry"].insert(1, {"resource": CANARY}), "2/Bundle/entry[1].resource"),
    ("fullUrl is a number", lambda b: b["entry"][1].update(fullUrl=3), "2/Bundle/entry[1]"),
    ("id is a list", lambda b: resource(b).update(id=[CANARY]), "2/Bundle/entry[1]"),
    ("the patient's id is a number", lambda b: patient_of(b).update(id=7), "2/Bundle/entry[0]"),
]

DROPPED: list[Any] = [
    (kind, name, value)
    for kind, pairs in {
        "Patient": [("name", CANARY), ("name", [{"family": [CANARY]}]), ("name", [{"given": CANARY}]), ("birthDate", 17), ("birthDate", CANARY),
                    ("address", [{"line": CANARY}]), ("telecom", [[CANARY]]), ("extension", [CANARY]), ("text", CANARY),
                    ("contained", [CANARY]), ("gender", {"x": CANARY}), ("deceasedDateTime", CANARY), ("meta", CANARY)],
        "Encounter": [("subject", CANARY), ("subject", [CANARY]), ("period", CANARY), ("period", {"start": CANARY}), ("class", CANARY),
                      ("text", {"div": [CANARY]}), ("id", f"../{CANARY}")],
    }.items()
    for name, value in pairs
]


@pytest.fixture
def source(bundles, tmp_path):
    """Writes the records of two patients into files that are named after them."""

    def writing(change: Break = lambda _: None):
        folder = tmp_path / "in"
        folder.mkdir()
        records = bundles("02")
        assert len(records) == 2
        change(records[1])
        for number, record in enumerate(records):
            (folder / f"{number}-{CANARY}.json").write_text(json.dumps(record))
        return folder

    return writing


@pytest.fixture
def pseudonymised(ask):
    return ask("02", profiles=["gdpr-pseudonymised"])


@pytest.mark.parametrize(("change", "where"), [(c, w) for _, c, w in REFUSED], ids=[name for name, _, _ in REFUSED])
def test_a_broken_record_stops_the_release_and_is_named_by_ordinal_and_path(
    house, source, pseudonymised, nothing_happens, tmp_path, change, where
) -> None:
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, source(change), pseudonymised, tmp_path / "release" / "out")
    assert failed[0].error.where == where


def test_a_value_of_a_wrong_shape_never_crosses(house, bundles, pseudonymised, tmp_path) -> None:
    """Whatever has not the shape that its rule expects is removed: the rest of the record may go."""
    records = []
    for kind, name, value in DROPPED:
        record = bundles("02")[0]
        next(e["resource"] for e in record["entry"] if e["resource"]["resourceType"] == kind)[name] = value
        records.append(record)
    (tmp_path / "in").mkdir()
    for number, record in enumerate(records):
        (tmp_path / "in" / f"{number:03d}.json").write_text(json.dumps(record))
    out = tmp_path / "release" / "out"
    done = release(house, CUSTODIAN, tmp_path / "in", pseudonymised, out)
    assert done.summary["records"] == len(DROPPED)
    for name in files_in(out):
        assert not (out / name).is_file() or CANARY.lower() not in (out / name).read_text().lower(), name


def test_what_is_no_json_is_named_by_file_number_and_byte(house, source, pseudonymised, nothing_happens, tmp_path) -> None:
    folder = source()
    cut = sorted(folder.iterdir())[1]
    good = cut.read_bytes()
    for content in (b"", b"{", good[: len(good) // 2], good[:-1], b'"text"', b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'):
        cut.write_bytes(content)
        with nothing_happens(InputError) as failed:
            release(house, CUSTODIAN, folder, pseudonymised, tmp_path / "release" / "out")
        assert failed[0].error.where.startswith("file 2"), content[:20]


def test_a_single_file_that_is_malformed_is_refused(house, pseudonymised, nothing_happens, tmp_path) -> None:
    file = tmp_path / f"{CANARY}.json"
    file.write_text(f'{{"resourceType": "{CANARY}')
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, file, pseudonymised, tmp_path / "release" / "out")
    assert failed[0].error.where == "file 1"


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_gzip_is_refused(house, bundles, pseudonymised, nothing_happens, tmp_path, keep) -> None:
    whole = gzip.compress(json.dumps(bundles("02")[0]).encode())
    file = tmp_path / f"{CANARY}.json.gz"
    file.write_bytes(whole[: max(3, int(len(whole) * keep))])
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, file, pseudonymised, tmp_path / "release" / "out")
    assert failed[0].error.where == "file 1"
    assert "cut or damaged" in failed[0].error.message


def test_a_damaged_gzip_is_refused(house, bundles, pseudonymised, nothing_happens, tmp_path) -> None:
    whole = bytearray(gzip.compress(json.dumps(bundles("02")[0]).encode()))
    file = tmp_path / f"{CANARY}.ndjson.gz"
    for place in (12, len(whole) // 2, len(whole) - 6):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        file.write_bytes(bytes(damaged))
        with nothing_happens(InputError):
            release(house, CUSTODIAN, file, pseudonymised, tmp_path / "release" / "out")


@pytest.mark.parametrize("broken", [b'{"resourceType": "Observation", "id": "Zyxcanaria', b'"Zyxcanaria"', b'{"id": "Zyxcanaria"}', b"Zyxcanaria"])
def test_one_broken_line_of_ndjson_is_named_by_its_number(house, bundles, pseudonymised, nothing_happens, tmp_path, broken) -> None:
    lines = [json.dumps(e["resource"]).encode() for b in bundles("02") for e in b["entry"]]
    lines.insert(3, broken)
    file = tmp_path / f"{CANARY}.ndjson"
    file.write_bytes(b"\n".join(lines))
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, file, pseudonymised, tmp_path / "release" / "out")
    assert failed[0].error.where.startswith("file 1/line 4")


def test_records_of_nobody_who_is_registered_are_refused(house, bundles, pseudonymised, nothing_happens, tmp_path) -> None:
    record = bundles("02")[0]
    patient_of(record)["identifier"] = [{"system": "urn:x", "value": CANARY}]
    (tmp_path / "in.json").write_text(json.dumps(record))
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, tmp_path / "in.json", pseudonymised, tmp_path / "release" / "out")
    assert "registered" in failed[0].error.message


def test_a_record_that_names_two_patients_at_once_is_refused(house, bundles, pseudonymised, nothing_happens, tmp_path) -> None:
    one, other = bundles("02")
    patient_of(one)["identifier"] += patient_of(other)["identifier"]
    (tmp_path / "in.json").write_text(json.dumps(one))
    with nothing_happens(InputError) as failed:
        release(house, CUSTODIAN, tmp_path / "in.json", pseudonymised, tmp_path / "release" / "out")
    assert failed[0].error.where == "1/Patient/identifier"


def test_a_missing_consent_hands_out_nothing_and_is_logged_as_a_decision(house, world, ask, tmp_path) -> None:
    request = ask("13", subjects={"ids": without_consent(world, ask)}, withhold=None)
    size = house.log.size("demo")
    done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, tmp_path / "release")
    assert (str(done.decided.effect) != "permit", done.summary) == (True, None)
    assert not (tmp_path / "release").exists()
    assert house.log.size("demo") == size + 1


def without_consent(world, ask) -> list[str]:
    """A patient of the data set whom no consent of the world is about."""
    asked = {json.loads(p.read_text())["patient"]["reference"].rpartition("/")[2] for p in (world / "consents").glob("*.json")}
    datasets = json.loads((world / "register" / "datasets.json").read_text())
    members = next(d for d in datasets if d["id"] == ask("13")["dataset"])["cohorts"].values()
    return [min({one for group in members for one in group} - asked)]


def test_a_request_that_is_unusable_reads_no_records(house, ask, nothing_happens, tmp_path) -> None:
    for changes in ({"purpose": "treatmnt"}, {"legs": []}, {"dry_run": True}, {"carry": "self"}, {"subjects": {"count": 3}}):
        with nothing_happens(InputError):
            release(house, CUSTODIAN, tmp_path / "not-even-there", ask("02", **changes), tmp_path / "release" / "out")
    for raw in (b"", b"{", b"[]", b"\xff"):
        with nothing_happens(InputError):
            release(house, CUSTODIAN, tmp_path / "not-even-there", raw, tmp_path / "release" / "out")
