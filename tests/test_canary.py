"""Nothing of a patient stands anywhere in clear: every value of theirs carries a canary, and every sink is searched.

Patients' ids, names, identifiers, addresses, telephone numbers, record ids, consent ids, birth dates, notes, file
names and the clinician who attests carry it. Only records released as they are, and what the command line repeats of
the caller's own words, may show it.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

from api.app import make_app
from governance.access import Caller, Role
from governance.bootstrap import load, open_house
from governance.cli.main import main
from governance.demo import generate
from governance.errors import SafeConductError
from governance.logs import configure_logs
from governance.usecases.audit import account_of, read_entry
from governance.usecases.consent import record_consents, withdraw_consent
from governance.usecases.decide import decide_request
from governance.usecases.register import Item, issue_key, register, verify
from governance.usecases.release import release
from tests.faults.conftest import texts_of
from tests.usecases.conftest import CUSTODIAN, OFFICER, settings_in

CANARY = "Zyxcanaria"
BORN = "1931-07-23"
IN_CLEAR = re.compile(rf"{CANARY}|{BORN}".encode(), re.IGNORECASE)
ITEMS = (Item.PARTIES, Item.PROJECTS, Item.FLOWS, Item.SUBJECTS, Item.DATASETS, Item.EVIDENCE)


def poison(world: Path) -> None:
    """Put the canary into every value of every patient, the same everywhere."""
    ids = {json.loads(path.read_text())["id"] for path in (world / "consents").glob("*.json")}
    for subject in json.loads((world / "register" / "subjects.json").read_text()):
        ids |= {subject["id"], *(i["value"] for i in subject["identifiers"])}
    for path in [*world.rglob("*.json")]:
        if path.name in ("parties.json", "projects.json", "flows.json", "evidence.json"):
            continue
        text = path.read_text()
        if "records" in path.parts:
            words = sorted(words_of(json.loads(text)), key=len, reverse=True)
            pattern = "|".join(rf"(?<!\w){re.escape(json.dumps(word, ensure_ascii=False)[1:-1])}(?!\w)" for word in words)
            text = re.sub(pattern, lambda found: f"{CANARY}-{found[0]}", text)
        text = re.sub(r'"([^"]*/)?([^"/]+)"', lambda found: f'"{found[1] or ""}{CANARY}-{found[2]}"' if found[2] in ids else found[0], text)
        text = re.sub(r'("birth_?[dD]ate": )"[0-9-]+"', rf'\1"{BORN}"', text)
        text = re.sub(r'("attested_by": )"([^"]+)"', rf'\1"{CANARY}-\2"', text)
        path.unlink()
        path.with_name(f"{path.stem}-{CANARY}.json" if "records" in path.parts or "consents" in path.parts else path.name).write_text(text)


def words_of(bundle: dict[str, Any]) -> set[str]:
    """Names, addresses, telephone numbers and record ids of a patient's record; they are in the notes, too."""
    words = {entry["resource"]["id"] for entry in bundle["entry"]}
    patient = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
    for name in patient["name"]:
        words |= {part for part in [name.get("family", ""), *name.get("given", []), name.get("text", "")] if len(part) > 3}
    for address in patient["address"]:
        words |= {*address["line"], address["city"]}
    return words | {contact["value"] for contact in patient["telecom"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("canary-world")
    generate(folder, seed=5, patients=44, today=datetime.now(UTC).date())
    poison(folder)
    return folder


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    buffer = io.StringIO()
    configure_logs(buffer)
    yield buffer
    structlog.reset_defaults()


class Sinks:
    """Everything that was shown or kept, by name."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.searched = 0

    def search(self, name: str, content: str | bytes) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self.searched += 1
        for match in IN_CLEAR.finditer(raw):
            self.found.append(f"{name}: ...{raw[max(0, match.start() - 80) : match.end() + 40]!r}")

    def search_files(self, name: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            self.search(f"{name}, a file's name", path.relative_to(folder).as_posix())
            if path.is_file():
                self.search(f"{name}/{path.relative_to(folder)}", path.read_bytes())


def request_of(world: Path, number: str, **changes: Any) -> dict[str, Any]:
    return json.loads(next((world / "requests").glob(f"{number}-*.json")).read_text()) | changes


def fill(house: Any, world: Path) -> None:
    for item in ITEMS:
        documents = json.loads((world / "register" / f"{item}.json").read_text())
        register(house, CUSTODIAN, item, [{k: v for k, v in d.items() if k not in ("submitted_by", "verified_by")} for d in documents])
        if item is Item.EVIDENCE:
            for document in documents:
                if document.get("verified_by"):
                    verify(house, OFFICER, document["id"])
    record_consents(house, CUSTODIAN, [json.loads(p.read_text()) for p in sorted((world / "consents").glob("*.json"))])


def failing(sinks: Sinks, name: str, call: Any) -> None:
    with pytest.raises(SafeConductError) as caught:
        call()
    sinks.search(f"error of {name}", texts_of(caught.value))


def use_the_house(house: Any, world: Path, sinks: Sinks, out: Path) -> set[str]:
    """Decide everything, release in both profiles and as it is, fail in many ways; return the effects met."""
    effects: set[str] = set()
    for path in sorted((world / "requests").glob("*.json")):
        document = decide_request(house, CUSTODIAN, path.read_bytes()).document
        effects.add(str(document["effect"]))
        sinks.search(f"decision {path.name}", json.dumps(document, ensure_ascii=False))
    dry = request_of(world, "01", dry_run=True)
    sinks.search("dry run", json.dumps(decide_request(house, CUSTODIAN, dry).document, ensure_ascii=False))
    for number, profile in (("03", "gdpr-pseudonymised"), ("04", "safe-harbor"), ("05", "as-is")):
        request = request_of(world, number)
        done = release(house, CUSTODIAN, world / "records" / request["dataset"], request, out / profile)
        assert done.decided.document["profile"] == profile, done.decided.document["effect"]
        assert done.summary["records"] > 0
    withdraw_consent(house, CUSTODIAN, request_of(world, "02")["subjects"]["ids"][0], consent=f"{CANARY}-consent")
    fail(house, world, sinks, out)
    account = account_of(house, OFFICER, request_of(world, "01")["subjects"]["ids"][0], reason="request")
    sinks.search("account", json.dumps(list(account), ensure_ascii=False, default=str))
    for index in range(house.log.size("demo")):
        sinks.search(f"entry {index}", json.dumps(read_entry(house, OFFICER, index), ensure_ascii=False, default=str))
    return effects


def fail(house: Any, world: Path, sinks: Sinks, out: Path) -> None:
    request = request_of(world, "02", profiles=["gdpr-pseudonymised"])
    record = json.loads(next(iter(sorted((world / "records" / request["dataset"]).glob("*.json")))).read_text())
    broken = out.parent / f"{CANARY}.json"
    for change in ({"entry": CANARY}, {"entry": [CANARY]}, {"entry": [*record["entry"], {"resource": {"id": CANARY}}]}, {"resourceType": CANARY}):
        broken.write_text(json.dumps(record | change))
        failing(sinks, "a broken record", lambda: release(house, CUSTODIAN, broken, request, out / "never"))
    broken.write_text(json.dumps(record)[:-20])
    failing(sinks, "a cut record", lambda: release(house, CUSTODIAN, broken, request, out / "never"))
    subject = {"id": f"{CANARY}-new", "identifiers": [{"system": "urn:x", "value": CANARY}], "facts": {"birth_date": BORN}}
    for change in ({"facts": {"birth_date": f"{BORN}x"}}, {"facts": {"residence": CANARY}}, {"identifiers": CANARY}, {"identifiers": [CANARY]},
                   {"facts": CANARY}, {"id": [CANARY]}, {"facts": {"us_person": CANARY}}, {"facts": {"instructions": [CANARY]}}):
        failing(sinks, f"a subject with {sorted(change)} wrong", lambda c=change: register(house, CUSTODIAN, Item.SUBJECTS, [subject | c]))
    register(house, CUSTODIAN, Item.SUBJECTS, [subject])
    failing(sinks, "a subject told otherwise", lambda: register(house, CUSTODIAN, Item.SUBJECTS, [subject | {"facts": {"birth_date": "1931-07-22"}}]))
    failing(sinks, "an identifier taken twice", lambda: register(house, CUSTODIAN, Item.SUBJECTS, [subject | {"id": f"{CANARY}-other"}]))
    consent = json.loads(next(iter(sorted((world / "consents").glob("*.json")))).read_text())
    failing(sinks, "a consent of nobody", lambda: record_consents(house, CUSTODIAN, [{**consent, "patient": {"display": CANARY}}]))
    failing(sinks, "no consent", lambda: record_consents(house, CUSTODIAN, [{**consent, "resourceType": CANARY}]))
    for change in ({"subjects": {"ids": [f"{CANARY}-1"], "cohort": CANARY}}, {"attested_by": [CANARY]}, {"legs": []}):
        failing(sinks, "a bad request", lambda c=change: decide_request(house, CUSTODIAN, request | c))


def use_the_api(house: Any, world: Path, sinks: Sinks) -> None:
    key, _ = issue_key(house, Caller(tenant="demo", user="admin", role=Role.ADMINISTRATOR), "front", Role.CUSTODIAN)
    request = request_of(world, "03")
    records = [json.loads(p.read_text()) for p in sorted((world / "records" / request["dataset"]).glob("*.json"))]
    with TestClient(make_app(house), raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        good = client.post("/v1/releases", json={"request": request, "records": records})
        assert (good.status_code, len(good.json()["records"]) > 0) == (200, True)
        sinks.search("HTTP release", good.content)
        for path, body in (
            ("/v1/decisions", {**request, "subjects": {"ids": [CANARY], "cohort": CANARY}}), ("/v1/decisions", CANARY),
            ("/v1/releases", {"request": request, "records": [{**records[0], "entry": [CANARY]}]}),
            ("/v1/releases", {"request": request, "records": [CANARY]}), ("/v1/subjects", [{"id": CANARY, "facts": {"birth_date": CANARY}}]),
            ("/v1/consents", {"resourceType": CANARY}), ("/v1/consents/withdrawals", {"subject": {"x": CANARY}}),
        ):  # fmt: skip
            bad = client.post(path, json=body)
            assert bad.status_code == 400, (path, bad.text)
            sinks.search(f"HTTP {path}", bad.content)
        cut = client.post("/v1/decisions", content=f'{{"a": "{CANARY}'.encode(), headers={"Content-Type": "application/json"})
        sinks.search("HTTP malformed", cut.content)


def use_the_command_line(home: Path, world: Path, sinks: Sinks, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at = ["--home", str(home), "--level", "knowledge", "--tenant", "demo"]
    request = folder / "request.json"
    bad = folder / "in"
    bad.mkdir()
    (bad / f"{CANARY}.json").write_text(f'{{"resourceType": "{CANARY}"')
    for number, command in (
        ("01", ["decide", str(request)]), ("14", ["decide", str(request), "--json"]), ("15", ["decide", str(request)]),
        ("03", ["release", str(bad), "--request", str(request), "--out", str(folder / "x")]),
        ("03", ["release", str(world / "records" / "cardio-spree"), "--request", str(request), "--out", str(folder / "y"), "--json"]),
        ("03", ["register", "consents", str(bad)]), ("03", ["audit", "export", str(folder / "log"), "--role", "officer"]),
    ):  # fmt: skip
        request.write_text(json.dumps(request_of(world, number)))
        capfd.readouterr()
        with pytest.raises(SystemExit):
            main([*command, *at])
        said = capfd.readouterr()
        sinks.search(f"{command[0]} on standard output", said.out)
        sinks.search(f"{command[0]} on standard error", said.err)


def test_no_value_of_a_patient_stands_in_clear_in_any_sink(world, log_lines, tmp_path, monkeypatch, capfd) -> None:
    home, out, sinks = tmp_path / "home", tmp_path / "out", Sinks()
    out.mkdir()
    settings = settings_in(home)
    policies = load(settings)
    monkeypatch.setattr("governance.bootstrap.load", lambda _: policies)
    with open_house(settings) as house:
        fill(house, world)
        assert use_the_house(house, world, sinks, out) == {"permit", "deny", "refer"}
        use_the_api(house, world, sinks)
        house.log.export("demo", tmp_path / "served")
        assert (home / "safe-conduct.db-wal").stat().st_size > 0
        sinks.search_files("the house while open", home)
    use_the_command_line(home, world, sinks, tmp_path, capfd)
    sinks.search_files("the house", home)
    sinks.search_files("the served log", tmp_path / "served")
    sinks.search_files("the exported log", tmp_path / "log")
    sinks.search("log lines", log_lines.getvalue())
    for profile in ("gdpr-pseudonymised", "safe-harbor"):
        sinks.search_files(f"released as {profile}", out / profile)
    as_is = out / "as-is"
    for name in ("decision.json", "manifest.json", "receipt.tlog-proof"):
        sinks.search(f"as-is/{name}", (as_is / name).read_bytes())
    assert sinks.found == []
    assert sinks.searched > 200
    assert any(IN_CLEAR.search(p.read_bytes()) for p in (as_is / "records").iterdir())  # the canary is there to be found
