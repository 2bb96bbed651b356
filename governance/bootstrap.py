"""The one place where the house is put together: database, keys, policies, log and roles.

Example:
    >>> with open_house(Settings(level="knowledge")) as house: ...      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

import audit.errors as log_errors
from audit.drafts import Draft as LogDraft
from audit.export import export
from audit.note import LogSigner
from audit.read import LogReader
from audit.writer import Writer
from governance.access import load_access
from governance.core.rules import Confidence, PolicySet
from governance.deidentify.plan import Plan, compile_plan
from governance.deidentify.profile import load_profile
from governance.deidentify.records import load_categories
from governance.deidentify.words import load_words
from governance.errors import (
    ConflictError,
    FaultError,
    InputError,
    IntegrityError,
    NotFoundError,
    SafeConductError,
    UnknownOutcomeError,
)  # fmt: skip
from governance.keys import FileKeyRing, KeyStore
from governance.policy.load import load_policies
from governance.settings import Settings
from governance.store.database import migrate, open_database
from governance.usecases.ports import Draft, House, Policies, Receipt

__all__ = ["LEVELS", "load", "open_house", "served_log"]

T = TypeVar("T")
LEVELS = {"signed-off": Confidence.SIGNED_OFF, "verified": Confidence.VERIFIED, "knowledge": Confidence.KNOWLEDGE}
"""The operator's choice of how well the law must be known."""


@contextmanager
def open_house(
    settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), policies: Policies | None = None
) -> Iterator[House]:
    """Open everything, and close it whatever happens.

    Args:
        settings: the installation.
        clock: gives now, aware, UTC.
        policies: policies that were loaded already; by default those of the settings.

    Raises:
        InputError: settings or policies are not usable; the policies' faults are all in its diagnostics.
        ConflictError: another process writes this log.
        IntegrityError: the database is behind the log that was already signed.
        FaultError: the disk or the database does not answer.
    """
    active = policies or load(settings)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        keys = KeyStore(settings.home / "keys" / "keys.db", FileKeyRing.open(settings.home / "keys" / "ring.json"))
    except OSError as error:
        raise FaultError(f"cannot use the folder of this installation: {error.strerror}",
                         hint="choose another with --home or SAFE_CONDUCT_HOME") from error  # fmt: skip
    try:
        with _log(settings, keys, clock) as (engine, log):
            yield House(settings=settings, engine=engine, log=log, keys=keys, access=load_access(),
                        current=lambda: active, clock=clock)  # fmt: skip
    finally:
        keys.close()


def load(settings: Settings) -> Policies:
    """Read the policies in force and the plans that go with them.

    Raises:
        InputError: with every fault of every file, or if the operator has not chosen a level.
    """
    if settings.level is None:
        raise InputError("how well must the law be known for a permit?", where="level",
                         hint="choose --level (or SAFE_CONDUCT_LEVEL): signed-off, verified or knowledge")  # fmt: skip
    loaded = load_policies(settings.policies, level=LEVELS[settings.level])
    if loaded.policies is None:
        faults = [d for d in loaded.diagnostics if d.severity == "error"]
        raise InputError("the policies are not usable; nothing is decided under them", diagnostics=faults)
    profiles = settings.policies / "deidentification"
    plans = _plans(profiles, loaded.policies)
    return Policies(policies=loaded.policies, plans=plans, categories=load_categories(profiles))


def _plans(folder: Path, policies: PolicySet) -> Mapping[str, Plan]:
    """Compile the plan of every profile that the policy set knows; ``as-is`` changes nothing and has none."""
    words = load_words(folder)
    return {name: compile_plan(load_profile(folder, name), words) for name in policies.profiles if name != "as-is"}


@contextmanager
def _log(settings: Settings, keys: KeyStore, clock: Callable[[], datetime]) -> Iterator[tuple[Engine, _Log]]:
    """Open database and writer together."""
    engine = open_database(settings.database)
    try:
        try:
            migrate(engine)
            log_keys = _LogKeys(keys, settings.log_origin)
            writer = Writer(engine, log_keys, clock=clock, guard=settings.home / "keys" / "guard")
        except SQLAlchemyError as error:
            raise FaultError("the database does not answer as it should",
                             hint="is the disk full, or the file in use?") from error  # fmt: skip
        except log_errors.AuditError as error:
            raise _translated(error) from error
        with writer:
            yield engine, _Log(writer, engine, log_keys)
    finally:
        engine.dispose()


class _LogKeys:
    """What the log asks of the key store."""

    def __init__(self, keys: KeyStore, origin: str) -> None:
        self._keys, self._origin = keys, origin
        self._signers: dict[str, LogSigner] = {}

    def signer(self, tenant: str) -> LogSigner:
        """Return the tenant's signer; its name is the log's origin, one log per tenant."""
        if tenant not in self._signers:
            self._signers[tenant] = LogSigner(f"{self._origin}/{tenant}", self._keys.log_signer(tenant))
        return self._signers[tenant]

    def tenant_key(self, tenant: str) -> bytes:
        return self._keys.tenant_key(tenant)

    def subject_key(self, tenant: str, subject: str) -> bytes | None:
        return self._keys.subject_key(tenant, subject)


class _Log:
    """The writer and the readers behind the use cases' protocol; their failures become ours."""

    def __init__(self, writer: Writer, engine: Engine, keys: _LogKeys) -> None:
        self._writer, self._engine, self._keys = writer, engine, keys

    def record(self, draft: Draft[T], work: Callable[[Connection], T]) -> tuple[T, Receipt]:
        """Write work and entry in one commit."""

        def subjects(result: T) -> Mapping[str, Mapping[str, object]]:
            lines = draft.subjects(result)
            return {ref: line for ref, line in lines.items() if self._keys.subject_key(draft.tenant, ref) is not None}

        logged: LogDraft[T] = LogDraft(
            kind=str(draft.kind), tenant=draft.tenant, policy=draft.policy, shared=draft.shared, subjects=subjects
        )
        with _translating():
            result, receipt = self._writer.record(logged, work)
        return result, Receipt(index=receipt.index, proof=receipt.proof)

    def size(self, tenant: str) -> int:
        return LogReader(self._engine, tenant).size()

    def checkpoint(self, tenant: str) -> str | None:
        return LogReader(self._engine, tenant).checkpoint()

    def details(self, tenant: str, index: int) -> Mapping[str, object]:
        self._known(tenant, index)
        with _translating():
            return LogReader(self._engine, tenant).shared(index, self._keys.tenant_key(tenant))

    def account(self, tenant: str, ref: str) -> Sequence[Mapping[str, object]]:
        key = self._keys.subject_key(tenant, ref)
        if key is None:
            return ()
        with _translating():
            lines = LogReader(self._engine, tenant).account(key)
        return [{"entry": line.index, "at": line.at, "kind": line.kind, **line.lines} for line in lines]

    def receipt(self, tenant: str, index: int) -> Receipt:
        self._known(tenant, index)
        with _translating():
            return Receipt(index=index, proof=LogReader(self._engine, tenant).receipt(index).proof)

    def export(self, tenant: str, folder: Path) -> int:
        with _translating():
            return export(self._engine, tenant, [self._keys.signer(tenant).verifier], folder)

    def _known(self, tenant: str, index: int) -> None:
        if not 0 <= index < self.size(tenant):
            raise NotFoundError("no such entry", where="index")


@contextmanager
def _translating() -> Iterator[None]:
    """Turn failures of the log and the database into ours."""
    try:
        yield
    except log_errors.AuditError as error:
        raise _translated(error) from error
    except SQLAlchemyError as error:
        raise FaultError("the database refused; nothing was recorded", hint="is the disk full?") from error


def _translated(error: log_errors.AuditError) -> SafeConductError:
    """Turn a failure of the log into one of ours."""
    message, hint = str(error), error.hint
    match error:
        case log_errors.OutcomeUnknown():
            return UnknownOutcomeError(message, hint=hint or "restart, then send the request again under the same key")
        case log_errors.LogBehindError() | log_errors.ProofError():
            return IntegrityError(message, hint=hint)
        case log_errors.LogLockedError():
            return ConflictError(message, hint=hint or "is a server running on this folder? ask it over HTTP")
        case _:
            return FaultError(message, hint=hint)


def served_log(settings: Settings) -> Path:
    """Return the folder that the log is exported to."""
    return settings.home / "log"
