"""What happens when the world changes, the disk fills, or the log fails while a release is under way."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

import governance.usecases.release as module
from audit.__main__ import main as audit_main
from governance.errors import ConflictError, FaultError, IntegrityError, UnknownOutcomeError
from governance.store.tables import ledger, releases
from governance.usecases import transform
from governance.usecases.consent import withdraw_consent
from governance.usecases.decide import decide_request
from governance.usecases.release import release
from tests.faults.conftest import files_in
from tests.usecases.conftest import CUSTODIAN


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """A full disk: no file may grow beyond so many bytes (Python ignores the signal, so writes fail)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def during(stage: str, act: Any) -> Any:
    """Makes a progress listener that acts once, when the records are being changed."""
    done: list[bool] = []

    def tick(what: str, _number: int, _of: int | None) -> None:
        if what == stage and not done:
            done.append(True)
            act()

    return tick


@pytest.fixture
def job(world, ask, tmp_path):
    """Arguments of a release that would be permitted."""
    request = ask("02", profiles=["gdpr-pseudonymised"])
    return world / "records" / request["dataset"], request, tmp_path / "release" / "out"


@pytest.mark.parametrize("stage", ["reading", "changing"])
def test_a_consent_withdrawn_while_records_are_changed_stops_the_release(house, job, nothing_happens, stage) -> None:
    source, request, out = job
    patient = request["subjects"]["ids"][0]
    if stage == "reading":  # before the decision: it knows, and denies
        size = house.log.size("demo")
        done = release(house, CUSTODIAN, source, request, out, progress=during(stage, lambda: withdraw_consent(house, CUSTODIAN, patient)))
        assert (str(done.decided.effect), done.summary, out.exists(), house.log.size("demo")) == ("deny", None, False, size + 2)
        return
    with nothing_happens(ConflictError, entries=1):  # the withdrawal alone
        release(house, CUSTODIAN, source, request, out, progress=during(stage, lambda: withdraw_consent(house, CUSTODIAN, patient)))


def test_a_ledger_that_moves_while_records_are_changed_stops_the_release(house, world, ask, tmp_path, nothing_happens) -> None:
    """Another release to the same recipient comes first: its people count, so the decision no longer stands."""
    request = ask("04")
    records = world / "records" / request["dataset"]
    with nothing_happens(ConflictError, entries=1) as failed:
        release(house, CUSTODIAN, records, request, tmp_path / "release" / "out", progress=during(
            "changing", lambda: release(house, CUSTODIAN, records, request, tmp_path / "other")))
    assert "ledger moved" in failed[0].error.message
    with house.engine.connect() as connection:
        assert connection.execute(select(ledger)).all()


def test_an_output_check_that_finds_something_stops_the_release_with_four(house, job, nothing_happens, monkeypatch) -> None:
    source, request, out = job
    def leaking(*arguments: Any, **named: Any) -> Any:
        done = original(*arguments, **named)
        source_patient = next(e["resource"] for e in arguments[1]["entry"] if e["resource"]["resourceType"] == "Patient")
        done.bundle["entry"][0]["resource"]["language"] = source_patient["name"][0]["family"]
        return done

    original = transform.transform_bundle
    monkeypatch.setattr(transform, "transform_bundle", leaking)
    with nothing_happens(IntegrityError) as failed:
        release(house, CUSTODIAN, source, request, out)
    assert failed[0].error.exit_code == 4
    assert failed[0].error.where


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_disk_that_fills_while_records_are_written_leaves_nothing(house, job, nothing_happens, size) -> None:
    source, request, out = job
    house.keys.recipient_key("demo", request["legs"][0]["recipient"])
    limit = contextlib.ExitStack()
    with nothing_happens(FaultError) as failed, limit:
        release(house, CUSTODIAN, source, request, out, progress=during("changing", lambda: limit.enter_context(no_file_beyond(size))))
    assert "nothing was handed out" in failed[0].error.message
    assert release(house, CUSTODIAN, source, request, out).summary is not None  # room again: the house goes on


@pytest.mark.parametrize("size", [0, 5000])
def test_a_disk_that_fills_while_committing_hands_out_nothing(data, reopened, job, size, monkeypatch, tmp_path) -> None:
    source, request, out = job
    record = module.record_ruling

    def on_a_full_disk(*arguments: Any, **named: Any) -> Any:
        with no_file_beyond(size):
            return record(*arguments, **named)

    with reopened() as house:
        before = house.log.size("demo")
        monkeypatch.setattr(module, "record_ruling", on_a_full_disk)
        with pytest.raises((FaultError, UnknownOutcomeError)):
            release(house, CUSTODIAN, source, request, out)
    monkeypatch.undo()
    assert not list(out.parent.glob("*")) + list(out.parent.glob(".*"))
    with reopened() as house:
        assert house.log.size("demo") == before
        assert release(house, CUSTODIAN, source, request, out).summary is not None
        house.log.export("demo", tmp_path / "served")
    assert audit_main(["verify", str(tmp_path / "served")]) == 0


def test_a_disk_that_fills_after_the_commit_says_that_it_counts_as_sent(house, job, monkeypatch, tmp_path) -> None:
    source, request, out = job
    record, limit = module.record_ruling, contextlib.ExitStack()

    def then_the_disk_is_full(*arguments: Any, **named: Any) -> Any:
        done = record(*arguments, **named)
        limit.enter_context(no_file_beyond(10))
        return done

    monkeypatch.setattr(module, "record_ruling", then_the_disk_is_full)
    before = house.log.size("demo")
    with limit, pytest.raises(FaultError, match="counts as sent") as caught:
        release(house, CUSTODIAN, source, request, out)
    assert str(before) in caught.value.hint
    assert files_in(out.parent) == []
    assert house.log.size("demo") == before + 1
    with house.engine.connect() as connection:
        assert len(connection.execute(select(releases)).all()) == 1


def test_a_commit_that_fails_is_unknown_and_stops_the_house_until_it_is_reopened(reopened, job, ask, monkeypatch, tmp_path) -> None:
    """The worse case: it did take effect, and only the answer was lost; the key tells."""
    source, request, out = job
    commit = Connection.commit

    def lost_answer(self: Connection) -> None:
        commit(self)
        raise OperationalError("COMMIT", {}, Exception("the connection broke"))

    with reopened() as house:
        size = house.log.size("demo")
        monkeypatch.setattr(Connection, "commit", lost_answer)
        with pytest.raises(UnknownOutcomeError):
            release(house, CUSTODIAN, source, request, out, key="once")
        monkeypatch.undo()
        assert files_in(out.parent) == []
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError):
                decide_request(house, CUSTODIAN, ask("01"))
    with reopened() as house:
        assert house.log.size("demo") == size + 1
        with pytest.raises(ConflictError, match="used for permit d-"):
            release(house, CUSTODIAN, source, request, out, key="once")
        assert not out.exists()
        assert decide_request(house, CUSTODIAN, ask("01")).document["effect"] == "permit"
        house.log.export("demo", tmp_path / "served")
    assert audit_main(["verify", str(tmp_path / "served")]) == 0


def test_a_commit_that_fails_and_did_nothing_lets_the_same_key_try_again(reopened, ask, monkeypatch) -> None:
    def no_commit(self: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    with reopened() as house:
        size = house.log.size("demo")
        monkeypatch.setattr(Connection, "commit", no_commit)
        with pytest.raises(UnknownOutcomeError):
            decide_request(house, CUSTODIAN, ask("01"), key="once")
        monkeypatch.undo()
    with reopened() as house:
        assert house.log.size("demo") == size
        first = decide_request(house, CUSTODIAN, ask("01"), key="once")
        assert decide_request(house, CUSTODIAN, ask("01"), key="once").id == first.id


def test_a_commit_that_took_effect_is_found_again_by_its_key(reopened, ask, monkeypatch) -> None:
    commit = Connection.commit

    def lost_answer(self: Connection) -> None:
        commit(self)
        raise OperationalError("COMMIT", {}, Exception("the connection broke"))

    with reopened() as house:
        size = house.log.size("demo")
        monkeypatch.setattr(Connection, "commit", lost_answer)
        with pytest.raises(UnknownOutcomeError):
            decide_request(house, CUSTODIAN, ask("01"), key="once")
        monkeypatch.undo()
    with reopened() as house:
        assert decide_request(house, CUSTODIAN, ask("01"), key="once").document["effect"] == "permit"
        assert house.log.size("demo") == size + 1


def test_a_second_house_on_the_same_folder_is_refused_with_a_hint(house, reopened) -> None:
    with pytest.raises(ConflictError) as caught, reopened():
        pass
    assert caught.value.hint
