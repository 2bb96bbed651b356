"""Settings of an installation: where it keeps its things and how strict it is.

Read from the environment (``SAFE_CONDUCT_...``); an unknown value is refused at start, never guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["SHIPPED_POLICIES", "Level", "Settings"]

SHIPPED_POLICIES = Path(__file__).resolve().parent.parent / "policies"
"""The policies that come with the distribution."""

Level = Literal["signed-off", "verified", "knowledge"]


class Settings(BaseSettings):
    """One installation.

    Attributes:
        home: folder of the database, the key store and the served log.
        database_url: SQLAlchemy URL; by default SQLite in ``home``.
        policies: folder of the policies in force.
        level: how well the law must be known for a permit. There is no default: the operator chooses.
        tenant: tenant of the command line.
        log_origin: name of the log in checkpoints and keys (C2SP origin), without spaces or plus signs.
        grant_minutes: how long a grant to carry data oneself lives.
        body_limit: largest request body accepted, in bytes.
    """

    model_config = SettingsConfigDict(env_prefix="SAFE_CONDUCT_", extra="ignore", frozen=True)

    home: Path = Path("safe-conduct-data")
    database_url: str | None = None
    policies: Path = SHIPPED_POLICIES
    level: Level | None = None
    tenant: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    log_origin: str = Field(default="safe-conduct.local/log", pattern=r"^[^\s+]{1,200}$")
    grant_minutes: int = Field(default=15, ge=1, le=24 * 60)
    body_limit: int = Field(default=8 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'safe-conduct.db'}"
