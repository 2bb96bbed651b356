"""``safe-conduct register``, ``key`` and ``policy``: every change is an entry, every error says where."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from governance.settings import SHIPPED_POLICIES


def written(tmp_path, name: str, document: object):
    file = tmp_path / name
    file.write_text(json.dumps(document))
    return file


def papers(world, number: int = 0) -> dict:
    found = json.loads((world / "register" / "evidence.json").read_text())[number]
    return {k: v for k, v in found.items() if k not in ("submitted_by", "verified_by")} | {"id": "paper-anew"}


def test_a_house_is_filled_from_files_and_the_same_again_changes_nothing(run, world, tmp_path) -> None:
    at = ("--home", tmp_path / "fresh", "--level", "knowledge", "--tenant", "demo", "--json")
    for item in ("parties", "projects", "flows", "subjects", "datasets"):
        file = world / "register" / f"{item}.json"
        count = len(json.loads(file.read_text()))
        first = run("register", item, file, *at)
        assert (first.code, first.document["added"]) == (0, count), first.out
        again = run("register", item, file, *at)
        assert (again.code, again.document["unchanged"], again.document["added"]) == (0, count, 0)


def test_other_content_under_a_known_id_needs_the_word(run, at, tmp_path) -> None:
    party = {"id": "new-clinic", "name": "New Clinic", "place": "DE", "facts": {"type": "hospital"}}
    assert run("register", "parties", written(tmp_path, "p.json", party), *at).out.startswith("parties: 1 added")
    other = written(tmp_path, "p.json", party | {"name": "Other"})
    refused = run("register", "parties", other, "--json", *at)
    assert (refused.code, refused.document["error"]["code"]) == (2, "conflict")
    assert run("register", "parties", other, "--replace", "--json", *at).document["replaced"] == 1


@pytest.mark.parametrize(("document", "where"), [
    ({"id": "x", "name": "X", "place": "ZZ", "facts": {}}, "place"),
    ({"id": "x", "name": "X", "place": "DE", "facts": {"tpye": "hospital"}}, "tpye"),
    ({"name": "X"}, "id"), ([], "parties"), ("text", "parties"), ([1], "parties"),
])
def test_an_unusable_party_is_refused_with_the_place(run, at, tmp_path, document, where) -> None:
    ran = run("register", "parties", written(tmp_path, "p.json", document), "--json", *at)
    assert (ran.code, ran.document["error"]["code"]) == (2, "input")
    assert where in ran.out


def test_a_misspelt_fact_is_answered_with_what_was_meant(run, at, tmp_path) -> None:
    party = {"id": "x", "name": "X", "place": "DE", "facts": {"tpye": "hospital"}}
    assert "`type`" in run("register", "parties", written(tmp_path, "p.json", party), *at).err


def test_a_file_that_is_no_json_is_refused_with_line_and_column(run, at, tmp_path) -> None:
    file = tmp_path / "p.json"
    file.write_text('{\n "id": oops}')
    ran = run("register", "parties", file, *at)
    assert ran.code == 2
    assert f"{file}:2:8" in ran.err
    assert "oops" not in ran.err
    for content in (b"\xff\xfe", b"[" * 200_000):
        file.write_bytes(content)
        assert run("register", "parties", file, *at).code == 2
    assert run("register", "parties", tmp_path / "none.json", *at).code == 2


def test_nobody_verifies_what_they_submitted_themselves(run, at, world, tmp_path) -> None:
    file = written(tmp_path, "e.json", papers(world))
    assert run("register", "evidence", file, "--as", "ada", "--json", *at).document["added"] == 1
    own = run("register", "verify-evidence", "paper-anew", "--as", "ada", "--role", "officer", "--json", *at)
    assert own.code == 2, own.out
    assert own.document["error"]["code"] in ("access-denied", "conflict")
    custodian = run("register", "verify-evidence", "paper-anew", "--as", "bert", "--json", *at)
    assert (custodian.code, custodian.document["error"]["code"]) == (2, "access-denied")
    by_another = run("register", "verify-evidence", "paper-anew", "--as", "bert", "--role", "officer", "--json", *at)
    assert (by_another.code, by_another.document["state"]) == (0, "verified")
    revoked = run("register", "revoke-evidence", "paper-anew", "--as", "bert", "--role", "officer", "--json", *at)
    assert revoked.document["state"] == "revoked"
    assert run("register", "revoke-evidence", "nothing", "--role", "officer", *at).code == 2


def test_a_withdrawal_binds_the_very_next_decision(run, at, asked) -> None:
    one = json.loads(asked("02").read_text())["subjects"]["ids"][0]
    request = asked("02", subjects={"ids": [one]})
    assert run("decide", request, *at).code == 0
    assert run("register", "withdraw", one, "--json", *at).document["withdrawn"]
    assert run("decide", request, *at).code == 3


def test_consents_are_read_from_a_folder_and_their_files_are_named_by_number(run, at, world, tmp_path) -> None:
    folder = tmp_path / "consents"
    shutil.copytree(world / "consents", folder)
    count = len(list(folder.glob("*.json")))
    ran = run("register", "consents", folder, "--json", *at)
    assert (ran.code, len(ran.document["recorded"])) == (0, count)
    (folder / "0-hildegard-musterfrau.json").write_text("{")
    broken = run("register", "consents", folder, *at)
    assert broken.code == 2
    assert "file 1:1:2" in broken.err
    assert "hildegard" not in broken.err
    for nothing in ([], ["text"], {"resourceType": "Consent", "status": "active"}):
        assert run("register", "consents", written(tmp_path, "c.json", nothing), *at).code == 2


def test_keys_are_made_and_revoked(run, at) -> None:
    made = run("key", "make", "erin", "officer", "--json", *at)
    assert made.document["key"].startswith("sc_")
    prefix = made.document["key"].split("_")[1]
    assert run("key", "revoke", prefix, *at).code == 0
    assert run("key", "revoke", "nothing8", *at).code == 2
    assert run("key", "make", "erin", "king", *at).code == 2


def test_the_shipped_policies_check_out(run) -> None:
    ran = run("policy", "check", "--json")
    assert (ran.code, ran.document["good"], ran.document["errors"]) == (0, True, 0), ran.out
    assert ran.document["cases"] > 0


def test_a_bad_folder_of_policies_shows_all_faults_with_line_and_column(run, tmp_path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(SHIPPED_POLICIES, folder)
    law = folder / "jurisdictions"
    (law / "eu" / "gdpr.yaml").write_text((law / "eu" / "gdpr.yaml").read_text() + "\nnonsense: true\n")
    (law / "ke" / "data-protection.yaml").write_text("pack: [\n")
    shown = run("policy", "check", folder)
    assert shown.code == 2
    for name in ("gdpr.yaml", "data-protection.yaml"):
        assert re.search(rf"{name}:\d+:\d+: ", shown.out), shown.out
    ran = run("policy", "check", folder, "--json")
    assert (ran.code, ran.document["good"], ran.err) == (2, False, "")
    assert len({d["where"] for d in ran.document["diagnostics"]}) >= 2
    assert run("policy", "check", tmp_path / "none", "--json").document["error"]["code"] == "input"
