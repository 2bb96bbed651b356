"""The first schema: register, subjects, consents, decisions, grants, releases, ledger, keys, reviews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_register"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "api_keys",
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_hash", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_tenant_user", "api_keys", ["tenant", "user"])
    op.create_table(
        "consent_events",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("effective", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_consent_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consent_events_tenant_seq", "consent_events", ["tenant", "seq"])
    op.create_index("ix_consent_events_tenant_subject", "consent_events", ["tenant", "subject"])
    op.create_table(
        "decisions",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("effect", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipt_index", sa.Integer(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.CheckConstraint("effect in ('permit', 'deny', 'refer')", name=op.f("ck_decisions_effect")),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_decisions"),
    )
    op.create_table(
        "evidence",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("submitted_by", sa.String(), nullable=False),
        sa.Column("submitted", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_by", sa.String(), nullable=True),
        sa.Column("verified", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(), nullable=True),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'verified' or verified_by is not null", name=op.f("ck_evidence_verified_by_somebody")
        ),
        sa.CheckConstraint("state in ('submitted', 'verified', 'revoked')", name=op.f("ck_evidence_state")),
        sa.CheckConstraint(
            "verified_by is null or verified_by <> submitted_by", name=op.f("ck_evidence_two_people")
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_tenant_type_state", "evidence", ["tenant", "type", "state"])
    op.create_table(
        "grants",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("issued", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_grants"),
    )
    op.create_index("ix_grants_tenant_closed_lapses", "grants", ["tenant", "closed", "lapses"])
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_idempotency"),
    )
    op.create_table(
        "ledger",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("others", sa.String(), nullable=False),
        sa.Column("exporter", sa.String(), nullable=True),
        sa.Column("exporter_group", sa.String(), nullable=True),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("recipient_group", sa.String(), nullable=True),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.CheckConstraint("state in ('reserved', 'sent', 'released')", name=op.f("ck_ledger_state")),
        sa.PrimaryKeyConstraint("seq", name="pk_ledger"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_tenant_measure_at", "ledger", ["tenant", "measure", "at"])
    op.create_index("ix_ledger_tenant_source", "ledger", ["tenant", "source"])
    op.create_table(
        "parties",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("owners", sa.JSON(), nullable=False),
        sa.Column("undisclosed_share", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_parties"),
    )
    op.create_index("ix_parties_group", "parties", ["group"])
    op.create_table(
        "projects",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_projects"),
    )
    op.create_table(
        "releases",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_releases"),
    )
    op.create_table(
        "reviews",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_tenant_decision", "reviews", ["tenant", "decision"])
    op.create_table(
        "subjects",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "ref", name="pk_subjects"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
    )
    op.create_table(
        "datasets",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "holder"], ["parties.tenant", "parties.id"], name="fk_datasets_parties"
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_datasets"),
    )
    op.create_table(
        "flows",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("exporter", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "exporter"], ["parties.tenant", "parties.id"], name="fk_flows_exporter"
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "recipient"], ["parties.tenant", "parties.id"], name="fk_flows_recipient"
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_flows"),
    )
    op.create_index("ix_flows_tenant_exporter_recipient", "flows", ["tenant", "exporter", "recipient"])
    op.create_table(
        "subject_identifiers",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "subject"], ["subjects.tenant", "subjects.ref"], name="fk_subject_identifiers_subjects"
        ),
        sa.PrimaryKeyConstraint("tenant", "identifier", name="pk_subject_identifiers"),
    )
    op.create_table(
        "cohorts",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "dataset"], ["datasets.tenant", "datasets.id"], name="fk_cohorts_datasets"
        ),
        sa.PrimaryKeyConstraint("tenant", "dataset", "name", name="pk_cohorts"),
    )
    op.create_table(
        "parts",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "dataset"], ["datasets.tenant", "datasets.id"], name="fk_parts_datasets"
        ),
        sa.PrimaryKeyConstraint("tenant", "dataset", "id", name="pk_parts"),
    )
    op.create_table(
        "cohort_members",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("cohort", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "dataset", "cohort"],
            ["cohorts.tenant", "cohorts.dataset", "cohorts.name"],
            name="fk_cohort_members_cohorts",
        ),
        sa.PrimaryKeyConstraint("tenant", "dataset", "cohort", "subject", name="pk_cohort_members"),
    )


def downgrade() -> None:
    """Take back."""
    for table in (
        "cohort_members",
        "parts",
        "cohorts",
        "subject_identifiers",
        "flows",
        "datasets",
        "tenants",
        "subjects",
        "reviews",
        "releases",
        "projects",
        "parties",
        "ledger",
        "idempotency",
        "grants",
        "evidence",
        "decisions",
        "consent_events",
        "api_keys",
    ):
        op.drop_table(table)
