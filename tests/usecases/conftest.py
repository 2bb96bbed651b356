"""A house with the demo's world in it, small and seeded; every test gets its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from governance.access import Caller, Role
from governance.bootstrap import load, open_house
from governance.demo import generate
from governance.settings import Settings
from governance.usecases.consent import record_consents
from governance.usecases.ports import House, Policies
from governance.usecases.register import Item, register, verify

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CUSTODIAN = Caller(tenant="demo", user="records-office", role=Role.CUSTODIAN)
OFFICER = Caller(tenant="demo", user="officer", role=Role.OFFICER)
PLATFORM = Caller(tenant="demo", user="exchange", role=Role.PLATFORM)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def settings_in(folder: Path, **more: Any) -> Settings:
    return Settings(home=folder, level="knowledge", tenant="demo", **more)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    generate(folder, seed=11, patients=60)
    return folder


@pytest.fixture(scope="session")
def policies() -> Policies:
    return load(settings_in(Path()))


@pytest.fixture(scope="session")
def registered(world: Path, tmp_path_factory: pytest.TempPathFactory, policies: Policies) -> Path:
    """A data folder in which the whole world is registered; copied by `house`."""
    folder = tmp_path_factory.mktemp("registered") / "data"
    with open_house(settings_in(folder), clock=Clock(), policies=policies) as house:
        for item in (Item.PARTIES, Item.PROJECTS, Item.FLOWS, Item.SUBJECTS, Item.DATASETS, Item.EVIDENCE):
            documents = json.loads((world / "register" / f"{item}.json").read_text())
            register(house, CUSTODIAN, item,
                     [{k: v for k, v in d.items() if k not in ("submitted_by", "verified_by")} for d in documents])
            if item is Item.EVIDENCE:
                for document in documents:
                    if document.get("verified_by"):
                        verify(house, OFFICER, document["id"])
        record_consents(house, CUSTODIAN, [json.loads(p.read_text()) for p in sorted((world / "consents").glob("*.json"))])
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def data(registered: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(registered, folder)
    return folder


@pytest.fixture
def house(data: Path, clock: Clock, policies: Policies) -> Iterator[House]:
    with open_house(settings_in(data), clock=clock, policies=policies) as opened:
        yield opened


@pytest.fixture
def reopened(data: Path, clock: Clock, policies: Policies) -> Callable[..., Any]:
    """Opens the same data folder again (the first house must be closed)."""

    @contextmanager
    def opening(**more: Any) -> Iterator[House]:
        with open_house(settings_in(data, **more), clock=clock, policies=policies) as opened:
            yield opened

    return opening


@pytest.fixture(scope="session")
def ask(world: Path) -> Callable[..., dict[str, Any]]:
    """Returns a request of the world by the number in its file name, with changes."""

    def request(number: str, **changes: Any) -> dict[str, Any]:
        found = json.loads(next((world / "requests").glob(f"{number}-*.json")).read_text())
        return {key: value for key, value in (found | changes).items() if value is not None}

    return request
