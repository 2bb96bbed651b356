"""Reading records: every form of input, and every way of being broken."""

from __future__ import annotations

import gzip

import orjson
import pytest

from governance.deidentify.sources import Limits, read_records
from governance.errors import InputError


def patient(name, **more):
    return {"resourceType": "Patient", "id": name, "name": [{"family": "Geheimnis"}], **more}


def observation(name, of, **more):
    subject = {"reference": f"Patient/{of}"} if of else None
    return {"resourceType": "Observation", "id": name, "status": "final", "code": {},
            **({"subject": subject} if subject else {}), **more}  # fmt: skip


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def lines(*resources):
    return b"\n".join(orjson.dumps(one) for one in resources) + b"\n"


@pytest.fixture
def base(safe_harbor):
    return safe_harbor.profile.base


def kinds(groups):
    return [[e["resource"]["resourceType"] + "/" + e["resource"]["id"] for e in g.bundle["entry"]] for g in groups]


def test_a_bundle_a_resource_and_their_gzip_are_read(tmp_path, base):
    data = orjson.dumps(bundle(patient("a"), observation("o", "a")))
    for name, content in (("x.json", data), ("x.json.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        groups = list(read_records(tmp_path / name, base))
        assert kinds(groups) == [["Patient/a", "Observation/o"]]
        assert (groups[0].ordinal, groups[0].has_patient) == (1, True)
    (tmp_path / "one.json").write_bytes(orjson.dumps(patient("z")))
    assert kinds(read_records(tmp_path / "one.json", base)) == [["Patient/z"]]


def test_a_folder_is_read_in_order_and_ordinals_run_on(tmp_path, base):
    for n in (2, 1):
        (tmp_path / f"{n}.json").write_bytes(orjson.dumps(bundle(patient(f"p{n}"))))
    (tmp_path / "LICENSE").write_text("no record")
    groups = list(read_records(tmp_path, base))
    assert kinds(groups) == [["Patient/p1"], ["Patient/p2"]]
    assert [group.ordinal for group in groups] == [1, 2]


def test_ndjson_is_gathered_by_patient_and_shared_resources_are_copied(tmp_path, base):
    doctor = {"resourceType": "Practitioner", "id": "d"}
    site = {"resourceType": "Location", "id": "l"}
    file = tmp_path / "x.ndjson.gz"
    file.write_bytes(gzip.compress(lines(
        doctor, observation("1", "a", performer=[{"reference": "Practitioner/d"}]), patient("b"), site,
        observation("2", "b", performer=[{"reference": "Practitioner/d"}]), patient("a"), observation("3", "a"))))  # fmt: skip
    assert kinds(read_records(file, base)) == [
        ["Patient/b", "Observation/2", "Practitioner/d"], ["Patient/a", "Observation/1", "Observation/3", "Practitioner/d"]]  # fmt: skip


BROKEN = {
    "malformed JSON": (b'{"resourceType": "Bundle", ', "file 1"),
    "no object": (b"[1]", "file 1"),
    "no type": (b"{}", "file 1/resourceType"),
    "entries no list": (b'{"resourceType":"Bundle","entry":{}}', "1/Bundle/entry"),
    "an entry no object": (b'{"resourceType":"Bundle","entry":[1]}', "1/Bundle/entry[0]"),
    "a resource without type": (b'{"resourceType":"Bundle","entry":[{"resource":{"id":"Geheimnis"}}]}', "1/Bundle/entry[0].resource"),
    "an id no text": (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":7}}]}', "1/Bundle/entry[0]"),
    "another's observation": (orjson.dumps(bundle(patient("a"), patient("b"), observation("o", "Geheimnis"))),
                              "1/Bundle/entry[2].resource.subject"),
    "nobody's observation": (orjson.dumps(bundle(patient("a"), patient("b"), observation("o", None))), "1/Bundle/entry[2].resource"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_says_where_and_never_what(case, tmp_path, base):
    content, where = BROKEN[case]
    (tmp_path / "Geheimnis.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_records(tmp_path / "Geheimnis.json", base))
    assert caught.value.where == where
    assert "Geheimnis" not in f"{caught.value} {caught.value.where} {caught.value.hint}"


def test_a_cut_gzip_a_cut_line_and_too_much_are_refused(tmp_path, base):
    data = gzip.compress(orjson.dumps(bundle(*(patient("a", gender="x" * n) for n in range(1)))))
    (tmp_path / "cut.json.gz").write_bytes(data[:-12])
    with pytest.raises(InputError, match="cut or damaged"):
        list(read_records(tmp_path / "cut.json.gz", base))
    (tmp_path / "cut.ndjson").write_bytes(lines(patient("a"), patient("b"))[:-20])
    with pytest.raises(InputError) as caught:
        list(read_records(tmp_path / "cut.ndjson", base))
    assert caught.value.where == "file 1/line 2"
    (tmp_path / "big.json").write_bytes(orjson.dumps(bundle(patient("a"))))
    for limits in (Limits(file_bytes=20), Limits(record_bytes=20)):
        with pytest.raises(InputError, match="larger than allowed"):
            list(read_records(tmp_path / "big.json", base, limits))
    with pytest.raises(InputError, match="not there"):
        list(read_records(tmp_path / "absent", base))
    (tmp_path / "empty.ndjson").write_bytes(b"\n")
    with pytest.raises(InputError, match="no record"):
        list(read_records(tmp_path / "empty.ndjson", base))
