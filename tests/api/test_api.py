"""The API over the whole house: keys, roles, decisions, grants, releases, registers, proofs, problems."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

from api.app import make_app
from audit.note import Verifier
from audit.proof import Proof, verify_proof
from governance.access import Caller, Role
from governance.bootstrap import open_house
from governance.usecases.ports import House, Policies
from governance.usecases.register import issue_key
from tests.usecases.conftest import (  # noqa: F401 - fixtures
    Clock,
    ask,
    clock,
    data,
    house,
    policies,
    registered,
    settings_in,
    world,
)  # fmt: skip

ADMIN = Caller(tenant="demo", user="admin", role=Role.ADMINISTRATOR)


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:  # noqa: F811
    with TestClient(make_app(house), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def closed_door(tmp_path_factory: pytest.TempPathFactory, policies: Policies) -> Iterator[tuple[TestClient, House]]:  # noqa: F811
    """An empty house for requests that must not get in."""
    with open_house(settings_in(tmp_path_factory.mktemp("empty")), clock=Clock(), policies=policies) as empty, TestClient(
        make_app(empty), raise_server_exceptions=False
    ) as opened:
        yield opened, empty


@pytest.fixture
def key(house: House) -> Any:  # noqa: F811
    made: dict[Role, str] = {}

    def header(role: Role) -> dict[str, str]:
        if role not in made:
            made[role] = issue_key(house, ADMIN, f"person-{role}", role)[0]
        return {"Authorization": f"Bearer {made[role]}"}

    return header


def records_of(world: Path, request: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: F811
    subjects = json.loads((world / "register" / "subjects.json").read_text())
    wanted = {i["value"] for s in subjects if s["id"] in request["subjects"]["ids"] for i in s["identifiers"]}
    found = []
    for path in sorted((world / "records" / request["dataset"]).glob("*.json")):
        bundle = json.loads(path.read_text())
        patient = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        if {i["value"] for i in patient["identifier"]} & wanted:
            found.append(bundle)
    return found


PROTECTED = [
    ("POST", "/v1/decisions"), ("GET", "/v1/decisions/d-1"), ("POST", "/v1/decisions/d-1/outcome"),
    ("POST", "/v1/releases"), ("POST", "/v1/parties"), ("POST", "/v1/projects"), ("POST", "/v1/datasets"),
    ("POST", "/v1/flows"), ("POST", "/v1/subjects"), ("POST", "/v1/evidence"),
    ("POST", "/v1/evidence/e/verification"), ("POST", "/v1/evidence/e/revocation"), ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/abc"), ("POST", "/v1/consents"), ("POST", "/v1/consents/withdrawals"),
    ("GET", "/v1/audit/checkpoint"), ("GET", "/v1/audit/entries/0"), ("GET", "/v1/audit/entries/0/proof"),
    ("GET", "/v1/audit/accounts/s-1?reason=audit"),
]


def test_the_list_of_protected_routes_is_complete(closed_door) -> None:
    paths = closed_door[0].get("/openapi.json").json()["paths"]
    known = {(method.upper(), path) for path, item in paths.items() for method in item}
    listed = {(method, path.partition("?")[0].replace("/d-1", "/{decision}").replace("/evidence/e/", "/evidence/{evidence}/")
               .replace("/abc", "/{prefix}").replace("/entries/0", "/entries/{index}").replace("/s-1", "/{subject}"))
              for method, path in PROTECTED}
    assert known - listed == {("GET", "/healthz")}


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer sc_00000000_wrong"}, {"Authorization": "Basic abc"}])
def test_without_a_valid_key_401(closed_door, method, path, header) -> None:
    answer = closed_door[0].request(method, path, headers=header, json={})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path", "role", "body"), [
    ("POST", "/v1/releases", Role.PLATFORM, {"request": {}, "records": {}}),
    ("POST", "/v1/parties", Role.PLATFORM, []),
    ("POST", "/v1/evidence/e/verification", Role.CUSTODIAN, None),
    ("POST", "/v1/keys", Role.OFFICER, {"user": "x", "role": "officer"}),
    ("GET", "/v1/audit/entries/0", Role.PLATFORM, None),
    ("GET", "/v1/audit/accounts/x?reason=audit", Role.CUSTODIAN, None),
    ("POST", "/v1/decisions", Role.AUDITOR, {}),
    ("POST", "/v1/consents", Role.PLATFORM, {"resourceType": "Consent"}),
])
def test_with_the_wrong_role_403(closed_door, method, path, role, body) -> None:
    client, empty = closed_door
    header = {"Authorization": f"Bearer {issue_key(empty, ADMIN, f'person-{role}', role)[0]}"}
    answer = client.request(method, path, headers=header, json=body)
    assert answer.status_code == 403
    assert answer.json()["code"] == "access-denied"


def test_a_decision_comes_with_a_receipt_that_verifies(client, key, house, ask) -> None:  # noqa: F811
    answer = client.post("/v1/decisions", json=ask("01"), headers=key(Role.CUSTODIAN))
    assert answer.status_code == 200
    document = answer.json()
    assert document["effect"] == "permit"
    folder = house.settings.home / "served"
    house.log.export("demo", folder)
    keys = [Verifier.from_text(line) for line in (folder / "key").read_text().splitlines()]
    verify_proof(Proof.from_text(document["receipt"]["proof"]), keys)
    again = client.get(f"/v1/decisions/{document['id']}", headers=key(Role.OFFICER))
    assert again.json()["id"] == document["id"]


def test_a_denial_is_an_answer_not_an_error(client, key, ask) -> None:  # noqa: F811
    answer = client.post("/v1/decisions", json=ask("14"), headers=key(Role.CUSTODIAN))
    assert (answer.status_code, answer.json()["effect"]) == (200, "deny")


def test_a_platform_gets_a_grant_and_closes_it(client, key, ask) -> None:  # noqa: F811
    header = key(Role.PLATFORM)
    document = client.post("/v1/decisions", json=ask("01", carry="self"), headers=header).json()
    assert document["grant"]["id"].startswith("g-")
    path = f"/v1/decisions/{document['id']}/outcome"
    assert client.post(path, json={"sent": True, "people": 1}, headers=header).status_code == 200
    assert client.post(path, json={"sent": True}, headers=header).status_code == 409


def test_the_same_idempotency_key_gives_the_same_decision(client, key, ask) -> None:  # noqa: F811
    header = key(Role.CUSTODIAN) | {"Idempotency-Key": "once"}
    first = client.post("/v1/decisions", json=ask("01"), headers=header).json()
    assert client.post("/v1/decisions", json=ask("01"), headers=header).json()["id"] == first["id"]
    assert client.post("/v1/decisions", json=ask("02"), headers=header).status_code == 409


def test_records_are_released_over_http(client, key, world, ask) -> None:  # noqa: F811
    request = ask("02", profiles=["gdpr-pseudonymised"])
    body = {"request": request, "records": records_of(world, request)}
    answer = client.post("/v1/releases", json=body, headers=key(Role.CUSTODIAN))
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["release"]["records"] == len(document["records"]) == len(request["subjects"]["ids"])
    assert document["manifest"]["profile"] == "gdpr-pseudonymised"
    assert request["subjects"]["ids"][0] not in answer.text


def test_a_denied_release_hands_out_nothing(client, key, world, ask) -> None:  # noqa: F811
    request = ask("14")
    answer = client.post("/v1/releases", json={"request": request, "records": records_of(world, request)},
                         headers=key(Role.CUSTODIAN)).json()
    assert (answer["decision"]["effect"], answer["release"], answer["records"]) == ("deny", None, [])


def test_all_faults_of_a_request_come_at_once(client, key, ask) -> None:  # noqa: F811
    answer = client.post("/v1/decisions", json=ask("01", purpose="treatmnt", origin="XY"), headers=key(Role.CUSTODIAN))
    assert answer.status_code == 400
    assert {fault["where"] for fault in answer.json()["errors"]} >= {"purpose", "origin"}


@pytest.mark.parametrize(("content", "kind"), [
    (b"{", "application/json"), (b"", "application/json"), (b"<a/>", "text/xml"), (b"[" * 5000, "application/json"),
    (b"\xff", "application/json"), (b"[]", "application/json"),
])
def test_malformed_bodies_are_refused(client, key, content, kind) -> None:
    for path in ("/v1/decisions", "/v1/releases", "/v1/consents", "/v1/parties"):
        answer = client.post(path, content=content, headers=key(Role.CUSTODIAN) | {"Content-Type": kind})
        assert answer.status_code == 400, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_before_it_is_read(client, key, house) -> None:  # noqa: F811
    size = house.settings.body_limit
    answer = client.post("/v1/decisions", content=b" " * (size + 1), headers=key(Role.CUSTODIAN) | {"Content-Type": "application/json"})
    assert answer.status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(size // 65536 + 2):
            yield b" " * 65536

    answer = client.post("/v1/decisions", content=chunks(), headers=key(Role.CUSTODIAN) | {"Content-Type": "application/json"})
    assert answer.status_code in (400, 413)


def test_registering_twice_changes_nothing_and_other_content_conflicts(client, key) -> None:
    party = {"id": "new-clinic", "name": "New Clinic", "place": "DE", "facts": {"type": "hospital"}}
    header = key(Role.CUSTODIAN)
    assert client.post("/v1/parties", json=party, headers=header).status_code == 201
    assert client.post("/v1/parties", json=[party], headers=header).json()["unchanged"] == 1
    assert client.post("/v1/parties", json=party | {"name": "Other"}, headers=header).status_code == 409
    assert client.post("/v1/parties?replace=true", json=party | {"name": "Other"}, headers=header).status_code == 200


def test_evidence_is_verified_by_another_person(client, key, world) -> None:  # noqa: F811
    paper = json.loads((world / "register" / "evidence.json").read_text())[0]
    paper = {k: v for k, v in paper.items() if k not in ("submitted_by", "verified_by")} | {"id": "paper-anew"}
    assert client.post("/v1/evidence", json=paper, headers=key(Role.CUSTODIAN)).status_code == 201
    assert client.post("/v1/evidence/paper-anew/verification", headers=key(Role.OFFICER)).json()["state"] == "verified"
    assert client.post("/v1/evidence/paper-anew/verification", headers=key(Role.OFFICER)).status_code == 409
    assert client.post("/v1/evidence/paper-anew/revocation", headers=key(Role.OFFICER)).json()["state"] == "revoked"


def test_a_withdrawal_over_http_binds_the_next_decision(client, key, ask) -> None:  # noqa: F811
    one = ask("02")["subjects"]["ids"][0]
    request = ask("02", subjects={"ids": [one]})
    header = key(Role.CUSTODIAN)
    assert client.post("/v1/decisions", json=request, headers=header).json()["effect"] == "permit"
    assert client.post("/v1/consents/withdrawals", json={"subject": one}, headers=header).status_code == 201
    assert client.post("/v1/decisions", json=request, headers=header).json()["effect"] == "deny"


def test_a_revoked_key_stops_at_once(client, key) -> None:
    made = client.post("/v1/keys", json={"user": "temp", "role": "auditor"}, headers=key(Role.ADMINISTRATOR)).json()["key"]
    header = {"Authorization": f"Bearer {made}"}
    assert client.get("/v1/audit/checkpoint", headers=header).status_code == 200
    prefix = made.split("_")[1]
    assert client.delete(f"/v1/keys/{prefix}", headers=key(Role.ADMINISTRATOR)).status_code == 200
    assert client.get("/v1/audit/checkpoint", headers=header).status_code == 401


def test_health_needs_no_key_and_every_answer_has_a_request_id(client) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": "abc-123"})
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.headers["x-request-id"] == "abc-123"
    assert client.get("/healthz", headers={"X-Request-ID": "bad id\t"}).headers["x-request-id"] != "bad id\t"
    assert client.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_reading_an_entry_needs_the_officer_and_is_logged(client, key, house) -> None:  # noqa: F811
    header = key(Role.OFFICER)
    before = house.log.size("demo")
    assert client.get("/v1/audit/entries/0", headers=header).status_code == 200
    assert house.log.size("demo") == before + 1
    assert client.get("/v1/audit/entries/999999", headers=header).status_code == 404
