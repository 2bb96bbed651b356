"""``safe-conduct decide`` and the errors that every command shares."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from governance.cli.main import _instant
from governance.settings import SHIPPED_POLICIES


@pytest.mark.parametrize(("number", "code", "effect"), [("01", 0, "permit"), ("14", 3, "deny"), ("15", 5, "refer"), ("09", 5, "refer")])
def test_the_exit_code_tells_the_verdict(run, at, asked, number, code, effect) -> None:
    shown = run("decide", asked(number), *at)
    assert shown.code == code, shown.out + shown.err
    assert shown.out.startswith(effect.upper())
    as_json = run("decide", asked(number), "--json", *at)
    assert (as_json.code, as_json.document["effect"]) == (code, effect)
    assert as_json.document["receipt"]["index"] > 0
    assert as_json.err == ""


def test_without_a_level_nothing_is_decided_and_the_choices_are_named(run, home, asked) -> None:
    ran = run("decide", asked("01"), "--home", home, "--tenant", "demo")
    assert (ran.code, ran.out) == (2, "")
    assert "signed-off, verified or knowledge" in ran.err


def test_only_law_that_is_well_enough_known_permits(run, home, asked) -> None:
    ran = run("decide", asked("01"), "--json", "--home", home, "--tenant", "demo", "--level", "signed-off")
    assert ran.code != 0
    assert ran.document["effect"] in ("deny", "refer")


def test_the_level_may_come_from_the_environment(run, home, asked, monkeypatch) -> None:
    monkeypatch.setenv("SAFE_CONDUCT_HOME", str(home))
    monkeypatch.setenv("SAFE_CONDUCT_LEVEL", "knowledge")
    monkeypatch.setenv("SAFE_CONDUCT_TENANT", "demo")
    assert run("decide", asked("01")).code == 0
    monkeypatch.setenv("SAFE_CONDUCT_LEVEL", "any")
    ran = run("decide", asked("01"), "--json")
    assert (ran.code, ran.document["error"]["diagnostics"][0]["where"]) == (2, "level")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"purpose": "treatment", "purpose": "research"}', b"null"])
def test_a_malformed_request_is_refused_with_the_place(run, at, tmp_path, content) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(content)
    ran = run("decide", file, *at)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    as_json = run("decide", file, "--json", *at)
    assert (as_json.code, as_json.document["error"]["code"], as_json.err) == (2, "input", "")


def test_an_unreadable_request_is_refused(run, at, tmp_path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        ran = run("decide", path, *at)
        assert ran.code == 2
        assert "cannot read" in ran.err


def test_every_fault_of_a_request_comes_at_once_with_what_was_meant(run, at, asked) -> None:
    ran = run("decide", asked("01", purpose="treatmnt", origin="XY", facts={"repetitoin": "one-off"}), *at)
    assert ran.code == 2
    for word in ("purpose: ", "origin: ", "facts.repetitoin: "):
        assert word in ran.err
    assert "`treatment`" in ran.err
    assert "`repetition`" in ran.err


@pytest.mark.parametrize(("changes", "where"), [
    ({"exporter": "nobody-knows"}, "exporter"), ({"dataset": "no-such-data"}, "dataset"), ({"profiles": ["none"]}, "profiles[0]"),
    ({"legs": []}, "legs"), ({"subjects": None}, "subjects"), ({"colour": "red"}, "colour"),
])
def test_a_request_that_names_what_is_not_known_is_refused_with_the_place(run, at, asked, changes, where) -> None:
    ran = run("decide", asked("01", **changes), "--json", *at)
    assert ran.code == 2, ran.out
    error = ran.document["error"]
    assert where in {error["where"], *(d["where"] for d in error["diagnostics"])}, error


def test_a_request_may_come_from_standard_input(run, at, asked, monkeypatch) -> None:
    with asked("01").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert run("decide", "-", *at).code == 0


def test_at_decides_as_of_another_day_and_says_that_it_is_no_permit_to_use(run, at, asked) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    ran = run("decide", asked("01"), "--at", tomorrow, "--json", *at)
    assert (ran.code, ran.document["at"]) == (0, f"{tomorrow}T23:59:59Z")
    assert ran.document["dry_run"]
    assert run("decide", asked("01"), "--at", "2001-01-01", "--json", *at).code != 0
    exact = run("decide", asked("01"), "--at", f"{tomorrow}T05:00:00+02:00", "--json", *at)
    assert exact.document["at"] == f"{tomorrow}T03:00:00Z"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00+23:00", ""])
def test_an_unreadable_day_is_refused(run, at, asked, text) -> None:
    ran = run("decide", asked("01"), "--at", text, *at)
    assert ran.code == 2
    assert "--at" in ran.err


def test_broken_policies_report_every_fault_with_line_and_column_and_decide_nothing(run, at, asked, home, tmp_path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(SHIPPED_POLICIES, folder)
    packs = [folder / "jurisdictions" / "eu" / "gdpr.yaml", folder / "jurisdictions" / "us" / "hipaa-privacy.yaml"]
    for pack in packs:
        pack.write_text(pack.read_text() + "\nnonsense: true\n")
    before = run("audit", "export", tmp_path / "log-before", "--role", "officer", "--json", *at).document["size"]
    ran = run("decide", asked("01"), "--policies", folder, *at)
    assert (ran.code, ran.out) == (2, "")
    for pack in packs:
        line = len(pack.read_text().splitlines())
        assert f"{pack.name}:{line}:1" in ran.err
    after = run("audit", "export", tmp_path / "log-after", "--role", "officer", "--json", *at).document["size"]
    assert after == before + 1  # the second export alone
    empty = tmp_path / "empty"
    empty.mkdir()
    for missing in (empty, tmp_path / "nowhere"):
        assert run("decide", asked("01"), "--policies", missing, *at).code == 2


def test_the_same_idempotency_key_gives_the_same_decision(run, at, asked) -> None:
    first = run("decide", asked("01"), "--idempotency-key", "k-1", "--json", *at).document
    again = run("decide", asked("01"), "--idempotency-key", "k-1", "--json", *at)
    assert (again.code, again.document["id"]) == (0, first["id"])
    assert run("decide", asked("02"), "--idempotency-key", "k-1", *at).code == 2


def test_a_grant_is_closed_once(run, at, asked) -> None:
    document = run("decide", asked("01", carry="self"), "--json", "--role", "platform", *at).document
    assert document["grant"]
    assert run("outcome", document["id"], "--sent", "--people", 1, "--json", *at).document["closed"]
    again = run("outcome", document["id"], "--not-sent", "--json", *at)
    assert (again.code, again.document["error"]["code"]) == (2, "conflict")
    assert run("outcome", "d-nothing", "--sent", "--json", *at).document["error"]["code"] == "not-found"


def test_a_role_that_may_not_decide_is_refused(run, at, asked) -> None:
    ran = run("decide", asked("01"), "--role", "auditor", "--json", *at)
    assert (ran.code, ran.document["error"]["code"]) == (2, "access-denied")


@pytest.mark.parametrize("arguments", [["decide"], ["decide", "x", "--nope"], ["fly"], ["serve", "--port", "high"], ["register", "parties"]])
def test_wrong_usage_is_two_and_json_where_json_is_asked_for(run, arguments) -> None:
    said = run(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err
    ran = run(*arguments, "--json")
    assert (ran.code, ran.document["error"]["code"], ran.err) == (2, "input", "")


def test_a_failure_nobody_foresaw_is_one_and_tells_nothing_of_what_was_at_hand(run, at, asked, monkeypatch) -> None:
    def breaking(*_: object, **__: object) -> None:
        raise KeyError("Hildegard Musterfrau")

    monkeypatch.setattr("governance.usecases.decide.decide_request", breaking)
    for flags in ([], ["--json"]):
        ran = run("decide", asked("01"), *flags, *at)
        assert ran.code == 1
        assert "KeyError" in ran.out + ran.err
        assert "Hildegard" not in ran.out + ran.err
    assert json.loads(ran.out)["error"]["code"] == "fault"


def test_a_home_that_cannot_be_made_is_said(run, asked, tmp_path) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    ran = run("decide", asked("01"), "--home", file / "below", "--level", "knowledge")
    assert ran.code == 1
    assert "--home" in ran.err


def test_the_day_means_its_last_second() -> None:
    assert _instant("2026-11-22") == datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    assert _instant("2026-11-22T01:00:00") == datetime(2026, 11, 22, 1, tzinfo=UTC)
