"""Tables of the register, the decisions and the ledger; every row belongs to a tenant.

Guarantees: no column holds a patient's id, identifier or fact in clear. A patient appears only as a keyed
reference (`governance.store.sealing.subject_ref`); facts and consents of patients are sealed bytes under the
patient's own key. Instants are stored and read as aware UTC.

Statements use the SQLAlchemy tables at the end (``parties.c.tenant``); the classes are for sessions.

Example:
    >>> parties.name
    'parties'
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
)  # fmt: skip
from sqlmodel import Field, SQLModel

__all__ = [
    "METADATA", "ApiKeyRow", "CohortMemberRow", "CohortRow", "ConsentEventRow", "DatasetRow", "DecisionRow",
    "EvidenceRow", "FlowRow", "GrantRow", "IdempotencyRow", "Instant", "LedgerRow", "PartRow", "PartyRow",
    "ProjectRow", "ReleaseRow", "ReviewRow", "SubjectIdentifierRow", "SubjectRow", "TenantRow", "api_keys",
    "cohort_members", "cohorts", "consent_events", "datasets", "decisions", "evidence", "flows", "grants",
    "idempotency", "ledger", "parties", "parts", "projects", "releases", "reviews", "subject_identifiers",
    "subjects", "tenants",
]  # fmt: skip

METADATA = MetaData(naming_convention={
    "pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s", "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
})  # fmt: skip
"""Apart from SQLModel's global metadata, so that other rooms' tables are their own affair."""


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored in UTC; naive ones are refused (nobody knows what they mean)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC; SQLite keeps no zone, so it gets the naive UTC time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read back as UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Row(SQLModel):
    """Base of every table here."""

    metadata = METADATA


class TenantRow(_Row, table=True):
    """An institution whose rows, keys and log are its own."""

    __tablename__ = "tenants"

    id: str = Field(primary_key=True)
    made: datetime = Field(sa_type=Instant)


class PartyRow(_Row, table=True):
    """An institution that exports or receives; ``facts`` as registered (short names, JSON values)."""

    __tablename__ = "parties"

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    place: str | None = None
    group: str | None = Field(default=None, index=True)
    facts: dict[str, Any] = Field(sa_type=JSON)
    owners: list[dict[str, Any]] = Field(sa_type=JSON)
    undisclosed_share: float


class ProjectRow(_Row, table=True):
    """A study or programme that approvals are given for."""

    __tablename__ = "projects"

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    facts: dict[str, Any] = Field(sa_type=JSON)


class DatasetRow(_Row, table=True):
    """A registered data set: who holds it, where, for which project."""

    __tablename__ = "datasets"
    __table_args__ = (ForeignKeyConstraint(["tenant", "holder"], ["parties.tenant", "parties.id"]),)

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    holder: str
    place: str | None = None
    project: str | None = None
    facts: dict[str, Any] = Field(sa_type=JSON)


class PartRow(_Row, table=True):
    """One labelled slice of a data set, in its registered order."""

    __tablename__ = "parts"
    __table_args__ = (ForeignKeyConstraint(["tenant", "dataset"], ["datasets.tenant", "datasets.id"]),)

    tenant: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    position: int
    facts: dict[str, Any] = Field(sa_type=JSON)


class CohortRow(_Row, table=True):
    """A named group of a data set's patients."""

    __tablename__ = "cohorts"
    __table_args__ = (ForeignKeyConstraint(["tenant", "dataset"], ["datasets.tenant", "datasets.id"]),)

    tenant: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    name: str = Field(primary_key=True)


class CohortMemberRow(_Row, table=True):
    """A patient of a cohort, by reference; the patient need not be registered yet."""

    __tablename__ = "cohort_members"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "dataset", "cohort"], ["cohorts.tenant", "cohorts.dataset", "cohorts.name"]
        ),
    )

    tenant: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True)
    cohort: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)


class FlowRow(_Row, table=True):
    """What is registered about movements from one party to another (places of storage, access ...)."""

    __tablename__ = "flows"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "exporter"], ["parties.tenant", "parties.id"], name="fk_flows_exporter"),
        ForeignKeyConstraint(["tenant", "recipient"], ["parties.tenant", "parties.id"], name="fk_flows_recipient"),
        Index(None, "tenant", "exporter", "recipient"),
    )

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    exporter: str
    recipient: str
    facts: dict[str, Any] = Field(sa_type=JSON)


class EvidenceRow(_Row, table=True):
    """A document on file; only verified ones count, and nobody verifies what they submitted."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index(None, "tenant", "type", "state"),
        CheckConstraint("state in ('submitted', 'verified', 'revoked')", name="state"),
        CheckConstraint("verified_by is null or verified_by <> submitted_by", name="two_people"),
        CheckConstraint("state <> 'verified' or verified_by is not null", name="verified_by_somebody"),
    )

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    type: str
    state: str
    scope: dict[str, list[str]] = Field(sa_type=JSON)
    issued_on: date
    valid_from: date
    valid_until: date | None = None
    outcome: str | None = None
    properties: dict[str, str] = Field(sa_type=JSON)
    submitted_by: str
    submitted: datetime = Field(sa_type=Instant)
    verified_by: str | None = None
    verified: datetime | None = Field(default=None, sa_type=Instant)
    revoked_by: str | None = None
    revoked: datetime | None = Field(default=None, sa_type=Instant)


class SubjectRow(_Row, table=True):
    """A patient: a keyed reference and sealed facts, nothing else."""

    __tablename__ = "subjects"

    tenant: str = Field(primary_key=True)
    ref: str = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)


class SubjectIdentifierRow(_Row, table=True):
    """A keyed hash of one ``system|value`` and the patient it belongs to."""

    __tablename__ = "subject_identifiers"
    __table_args__ = (ForeignKeyConstraint(["tenant", "subject"], ["subjects.tenant", "subjects.ref"]),)

    tenant: str = Field(primary_key=True)
    identifier: str = Field(primary_key=True)
    subject: str


class ConsentEventRow(_Row, table=True):
    """One thing a patient said, append-only; kind and content are sealed."""

    __tablename__ = "consent_events"
    __table_args__ = (Index(None, "tenant", "subject"), Index(None, "tenant", "seq"), {"sqlite_autoincrement": True})

    seq: int | None = Field(default=None, primary_key=True)
    tenant: str
    subject: str
    effective: datetime = Field(sa_type=Instant)
    recorded: datetime = Field(sa_type=Instant)
    sealed: bytes = Field(sa_type=LargeBinary)


class DecisionRow(_Row, table=True):
    """A decision: the request and ruling sealed, what must be found again in clear."""

    __tablename__ = "decisions"
    __table_args__ = (CheckConstraint("effect in ('permit', 'deny', 'refer')", name="effect"),)

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    request_digest: str
    sealed: bytes = Field(sa_type=LargeBinary)
    effect: str
    policy: str
    at: datetime = Field(sa_type=Instant)
    receipt_index: int | None = None
    idempotency_key: str | None = None


class IdempotencyRow(_Row, table=True):
    """A key a caller used for a write, what it was used for, and the sealed answer."""

    __tablename__ = "idempotency"

    tenant: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_digest: str
    sealed: bytes = Field(sa_type=LargeBinary)
    at: datetime = Field(sa_type=Instant)


class GrantRow(_Row, table=True):
    """A permit used by a platform that carries the data itself; lapses, and is closed by an outcome."""

    __tablename__ = "grants"
    __table_args__ = (Index(None, "tenant", "closed", "lapses"),)

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    decision: str
    recipient: str | None = None
    profile: str
    policy: str
    issued: datetime = Field(sa_type=Instant)
    lapses: datetime = Field(sa_type=Instant)
    closed: datetime | None = Field(default=None, sa_type=Instant)
    outcome: str | None = None


class ReleaseRow(_Row, table=True):
    """Data handed out by us, by the digest of its manifest."""

    __tablename__ = "releases"

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    decision: str
    manifest_digest: str
    state: str
    at: datetime = Field(sa_type=Instant)


class LedgerRow(_Row, table=True):
    """One person counted for one measure between two parties, by keyed hash.

    ``others`` is the canonical JSON of the measure's ``per`` facts that do not name parties.
    """

    __tablename__ = "ledger"
    __table_args__ = (
        Index(None, "tenant", "measure", "at"),
        Index(None, "tenant", "source"),
        CheckConstraint("state in ('reserved', 'sent', 'released')", name="state"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)
    tenant: str
    measure: str
    others: str
    exporter: str | None = None
    exporter_group: str | None = None
    recipient: str | None = None
    recipient_group: str | None = None
    person: str
    at: datetime = Field(sa_type=Instant)
    source: str
    state: str


class ApiKeyRow(_Row, table=True):
    """A caller's key, by its hash; the key itself is shown once and never stored."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "tenant", "user"),)

    key_hash: str = Field(primary_key=True)
    tenant: str
    prefix: str
    user: str
    role: str
    made: datetime = Field(sa_type=Instant)
    revoked: datetime | None = Field(default=None, sa_type=Instant)


class ReviewRow(_Row, table=True):
    """A person's work on a referred request."""

    __tablename__ = "reviews"
    __table_args__ = (Index(None, "tenant", "decision"),)

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    decision: str
    rule: str
    state: str
    opened: datetime = Field(sa_type=Instant)
    closed: datetime | None = Field(default=None, sa_type=Instant)


def _table(row: type[_Row]) -> Table:
    return cast("Table", row.__table__)  # type: ignore[attr-defined]


tenants = _table(TenantRow)
parties = _table(PartyRow)
projects = _table(ProjectRow)
datasets = _table(DatasetRow)
parts = _table(PartRow)
cohorts = _table(CohortRow)
cohort_members = _table(CohortMemberRow)
flows = _table(FlowRow)
evidence = _table(EvidenceRow)
subjects = _table(SubjectRow)
subject_identifiers = _table(SubjectIdentifierRow)
consent_events = _table(ConsentEventRow)
decisions = _table(DecisionRow)
idempotency = _table(IdempotencyRow)
grants = _table(GrantRow)
releases = _table(ReleaseRow)
ledger = _table(LedgerRow)
api_keys = _table(ApiKeyRow)
reviews = _table(ReviewRow)
