"""The writer: one thread that gathers drafts, does their work, logs them and commits all in one transaction.

Guarantees:
- What `record` returns is durable: it resolves only after COMMIT said yes.
- The work of a draft and its entry stand or fall together; an exception in the work undoes only that draft.
- A failed COMMIT is *unknown*, not undone: every waiting and later call raises `OutcomeUnknown` until `reopen`
  has read the log's head from the database again. A sequence is never used twice.
- Nothing is signed when the database is behind what was signed before, or beside it (`audit.guard`), or while
  another process writes.

Example:
    >>> with Writer(engine, keys, clock=clock, guard=folder) as writer:      # doctest: +SKIP
    ...     decision, receipt = writer.record(draft, lambda connection: save(connection))
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from audit.append import Appending, LogState, check_state, load_state
from audit.build import Instant, TenantKey, build, check_draft
from audit.drafts import Draft, LogKeys, Receipt
from audit.errors import (
    AuditError,
    DraftError,
    LogBehindError,
    LogBusyError,
    LogClosedError,
    LogLockedError,
    OutcomeUnknown,
    RecordFailedError,
)
from audit.guard import SizeGuard
from audit.note import TreeCosigner

__all__ = ["Writer"]

T = TypeVar("T")
_PG_LOCK = 0x5AFE_C0DE
"""Number of the advisory lock that serialises writers on PostgreSQL."""


class _Waiting(Generic[T]):
    """A draft in the queue."""

    __slots__ = ("draft", "future", "work")

    def __init__(self, draft: Draft[T], work: Callable[[Connection], T]) -> None:
        self.draft = draft
        self.work = work
        self.future: Future[tuple[T, Receipt]] = Future()


class _TransactionLostError(Exception):
    """The transaction ended under us: what was in it is unknown."""


class Writer:
    """Writes the logs of all tenants of one database.

    Args:
        engine: SQLite in a file, or PostgreSQL; the tables of `audit.tables` exist.
        keys: where keys come from.
        clock: gives the present instant, aware.
        guard: folder of the guards, beside the key store and not beside the database's backups.
        lock: lock file; by default the SQLite file's name with ``.writer`` added. None on PostgreSQL.
        adopt: accept a log whose guard is missing (after comparing it with the last checkpoint handed out).
        second: gives a tenant's ML-DSA-44 key, which then signs beside Ed25519; None for none.
        max_batch: most drafts in one transaction.
        max_waiting: most drafts in the queue; more raise `LogBusyError`.

    Raises:
        LogLockedError: another process writes.
        LogBehindError: the database is behind what was signed before, or beside it.
    """

    def __init__(
        self,
        engine: Engine,
        keys: LogKeys,
        *,
        clock: Callable[[], datetime],
        guard: Path,
        lock: Path | None = None,
        adopt: bool = False,
        second: Callable[[str], TreeCosigner] | None = None,
        max_batch: int = 512,
        max_waiting: int = 10_000,
    ) -> None:
        self._engine, self._keys, self._clock = engine, keys, clock
        self._guard_folder, self._adopt, self._second = guard, adopt, second
        self._max_batch, self._max_waiting = max_batch, max_waiting
        self._sqlite = engine.dialect.name == "sqlite"
        self._waiting: deque[_Waiting[Any]] = deque()
        self._condition = threading.Condition()
        self._turning = threading.Lock()
        self._stopped: AuditError | None = None
        self._states: dict[str, LogState] = {}
        self._lock = self._take_lock(lock)
        try:
            self._thread = self._start()
        except BaseException:
            self._release_lock()
            raise

    # -- for callers ------------------------------------------------------------------------------------------

    def record(self, draft: Draft[T], work: Callable[[Connection], T]) -> tuple[T, Receipt]:
        """Do the work and log it in one transaction; block until it is durable.

        Args:
            draft: what to log.
            work: writes through the connection and returns a result; runs in the writer's thread, must neither
                commit nor roll back, and should be brief.

        Returns:
            What the work returned, and the receipt.

        Raises:
            DraftError: the draft is not usable; nothing was done.
            OutcomeUnknown: a commit failed; reopen and reconcile.
            AuditError: nothing was recorded, for the reason given.
        """
        if threading.current_thread() is self._thread:
            raise DraftError("work may not record an entry itself: it would wait for its own end")
        return self.submit(draft, work).result()

    def submit(self, draft: Draft[T], work: Callable[[Connection], T]) -> Future[tuple[T, Receipt]]:
        """Queue a draft and return its future; otherwise like `record`."""
        check_draft(draft)
        waiting = _Waiting(draft, work)
        with self._condition:
            if self._stopped is not None:
                raise _again(self._stopped)
            if len(self._waiting) >= self._max_waiting:
                raise LogBusyError("too many drafts wait to be logged", hint="try again in a second")
            self._waiting.append(waiting)
            self._condition.notify()
        return waiting.future

    def reopen(self) -> None:
        """Read the heads from the database again and go on, after `OutcomeUnknown`.

        Raises:
            AuditError: the log cannot be written yet; it stays stopped.
        """
        with self._turning:
            if self._stopped is None:
                return
            if isinstance(self._stopped, LogClosedError):
                raise _again(self._stopped)
            self._thread.join()
            self._forget()
            self._thread = self._start()

    def close(self) -> None:
        """Finish what waits, stop, and release the lock."""
        with self._turning:
            with self._condition:
                if isinstance(self._stopped, LogClosedError):
                    return
                self._stopped = LogClosedError("the log was closed")
                self._condition.notify()
            self._thread.join()
            self._forget()
            self._release_lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the thread -------------------------------------------------------------------------------------------

    def _start(self) -> threading.Thread:
        ready: Future[None] = Future()
        thread = threading.Thread(target=self._run, args=(ready,), name="audit-writer", daemon=True)
        thread.start()
        try:
            ready.result()
        except BaseException:
            thread.join()
            self._forget()
            raise
        return thread

    def _run(self, ready: Future[None]) -> None:
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the start
            ready.set_exception(error)
            return
        try:
            self._stopped = None
            ready.set_result(None)
            while batch := self._gather():
                self._write(connection, batch)
        except BaseException as error:  # noqa: BLE001 - whatever it was, nobody may be left waiting
            self._stop(OutcomeUnknown("the log's writer failed"), cause=error)
        finally:
            connection.invalidate()
            connection.close()

    def _connect(self) -> Connection:
        connection = self._engine.connect().execution_options(begin="IMMEDIATE")
        try:
            if self._sqlite:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                cursor = raw.cursor()
                mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                cursor.execute("PRAGMA synchronous=FULL")
                cursor.close()
                if mode != "wal":
                    hint = "a database in memory is not durable"
                    raise AuditError("the log needs a SQLite file", hint=hint)  # noqa: TRY301 - cleaned up below
            self._begin(connection)
            for tenant in connection.execute(text("SELECT tenant FROM log_heads")).scalars().all():
                self._state(connection, tenant)
            connection.rollback()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def _gather(self) -> list[_Waiting[Any]]:
        """Wait for drafts and take all that have arrived; empty when it is time to end."""
        with self._condition:
            while not self._waiting and self._stopped is None:
                self._condition.wait()
            if self._stopped is not None and not isinstance(self._stopped, LogClosedError):
                return []
            count = min(len(self._waiting), self._max_batch)
            return [self._waiting.popleft() for _ in range(count)]

    def _begin(self, connection: Connection) -> None:
        connection.begin()
        if not self._sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _PG_LOCK})
        elif not self._in_transaction(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _in_transaction(self, connection: Connection) -> bool:
        return bool(getattr(connection.connection.dbapi_connection, "in_transaction", True))

    def _write(self, connection: Connection, batch: Sequence[_Waiting[Any]]) -> None:
        """Do, log, sign and commit one batch; resolve every future of it."""
        batch = [waiting for waiting in batch if waiting.future.set_running_or_notify_cancel()]
        appending: dict[str, Appending] = {}
        done: list[tuple[_Waiting[Any], object, Appending, int]] = []
        begun = False
        try:
            self._begin(connection)
            begun = True
            for waiting in batch:
                self._one(connection, waiting, appending, done)
            for log in appending.values():
                log.write(connection)
            if self._sqlite and not self._in_transaction(connection):
                raise _TransactionLostError  # noqa: TRY301 - one place decides what is known
        except BaseException as error:  # noqa: BLE001 - told to every caller of the batch
            self._undo(connection, batch, error, begun=begun)
            return
        try:
            connection.commit()
            for tenant, log in appending.items():
                self._states[tenant] = log.committed()
        except BaseException as error:  # noqa: BLE001 - a failed commit is unknown, whatever failed
            unknown = OutcomeUnknown(
                "the commit failed; whether it took effect is unknown", hint="reopen, then reconcile by idempotency key"
            )
            self._stop(unknown, batch, error)
            return
        for waiting, result, log, index in done:
            waiting.future.set_result((result, log.receipt(index)))

    def _one(
        self,
        connection: Connection,
        waiting: _Waiting[Any],
        appending: dict[str, Appending],
        done: list[tuple[_Waiting[Any], object, Appending, int]],
    ) -> None:
        """Do one draft's work inside a savepoint and append its entry; an exception undoes this draft alone."""
        draft = waiting.draft
        _say(connection, "SAVEPOINT draft")
        try:
            log = appending.get(draft.tenant)
            if log is None:
                second = self._second(draft.tenant) if self._second is not None else None
                tenant_key = TenantKey.derived(self._keys.tenant_key(draft.tenant))
                log = Appending(self._state(connection, draft.tenant), tenant_key, Instant.of(self._clock()), second)
            result = waiting.work(connection)
            built = build(
                draft, result, origin=log.origin, keys=self._keys, tenant_key=log.tenant_key, at=log.at,
                last_policy=log.policy, numbers=_numbers(log, connection),
            )  # fmt: skip
        except Exception as error:
            if isinstance(error, LogBehindError):
                raise
            if self._sqlite and not self._in_transaction(connection):
                raise _TransactionLostError from error
            _say(connection, "ROLLBACK TO SAVEPOINT draft")
            _say(connection, "RELEASE SAVEPOINT draft")
            waiting.future.set_exception(error)
            return
        _say(connection, "RELEASE SAVEPOINT draft")
        appending[draft.tenant] = log
        done.append((waiting, result, log, log.append(built)))

    def _state(self, connection: Connection, tenant: str) -> LogState:
        """Return where a tenant's log stands, read from the database and checked against what was signed."""
        known = self._states.get(tenant)
        guard = known.guard if known is not None else SizeGuard(self._guard_folder, tenant)
        state = load_state(connection, tenant, self._keys.signer(tenant), guard)
        if known is None:
            try:
                check_state(connection, state, adopt=self._adopt)
            except BaseException:
                guard.close()
                raise
            self._states[tenant] = state
        elif self._sqlite and state.frontier.nodes != known.frontier.nodes:
            raise LogBehindError("the database changed under the writer", hint="find out who wrote to it, then reopen")
        elif state.frontier.size < known.frontier.size:
            raise LogBehindError("the database went back to an earlier state", hint="restore the later one")
        return state

    # -- when things fail -------------------------------------------------------------------------------------

    def _undo(
        self, connection: Connection, batch: Sequence[_Waiting[Any]], error: BaseException, *, begun: bool
    ) -> None:
        """Roll back a batch that failed before its commit: known to be undone if the transaction still stood."""
        known = not begun or not self._sqlite or self._in_transaction(connection)
        try:
            connection.rollback()
        except SQLAlchemyError:
            known = False
        if isinstance(error, LogBehindError):
            self._stop(error, batch, error)
        elif not known or isinstance(error, _TransactionLostError):
            hint = "is the disk full? make room, reopen, then reconcile by idempotency key"
            self._stop(OutcomeUnknown("the database ended the transaction by itself", hint=hint), batch, error)
        else:
            message = "the database refused to record; nothing of it was recorded"
            for waiting in batch:
                _fail(waiting, RecordFailedError(message, hint="see the cause, then try again"), error)

    def _stop(
        self, reason: AuditError, batch: Sequence[_Waiting[Any]] = (), cause: BaseException | None = None
    ) -> None:
        """Stop serving: everybody who waits or comes later gets the reason."""
        with self._condition:
            self._stopped = reason
            waiting = [*batch, *self._waiting]
            self._waiting.clear()
        for one in waiting:
            _fail(one, _again(reason), cause)

    def _forget(self) -> None:
        for state in self._states.values():
            state.guard.close()
        self._states = {}

    def _take_lock(self, lock: Path | None) -> int:
        if lock is None:
            if not self._sqlite or not self._engine.url.database:
                return -1
            lock = Path(self._engine.url.database + ".writer")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise LogLockedError(
                "another process writes this log", hint="stop it, or send commands to it instead"
            ) from error
        return handle

    def _release_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _numbers(log: Appending, connection: Connection) -> Callable[[Iterable[bytes]], Mapping[bytes, int]]:
    return lambda counters: log.numbers(connection, counters)


def _say(connection: Connection, statement: str) -> None:
    """Run a statement without parameters or result on the driver itself: twice for each draft, it must be cheap."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    cursor.execute(statement)
    cursor.close()


def _again(reason: AuditError) -> AuditError:
    """Return a fresh copy of an error, so that callers do not share a traceback."""
    return type(reason)(reason.message, hint=reason.hint)


def _fail(waiting: _Waiting[Any], error: BaseException, cause: BaseException | None) -> None:
    if not waiting.future.done():
        error.__cause__ = cause
        waiting.future.set_exception(error)
