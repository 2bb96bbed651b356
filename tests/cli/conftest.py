"""The command line over a house with the demo's world in it, as of today: the command line has no other clock."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog

from governance.bootstrap import load, open_house
from governance.cli.main import main
from governance.demo import generate
from governance.settings import SHIPPED_POLICIES, Settings
from governance.usecases.consent import record_consents
from governance.usecases.ports import Policies
from governance.usecases.register import Item, register, verify
from tests.usecases.conftest import CUSTODIAN, OFFICER, settings_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world-today")
    generate(folder, seed=11, patients=48, today=datetime.now(UTC).date())
    return folder


@pytest.fixture(scope="session")
def registered(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registered-today") / "data"
    settings = settings_in(folder)
    with open_house(settings, policies=load(settings)) as house:
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
def home(registered: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    shutil.copytree(registered, folder)
    return folder


@cache
def _loaded(level: str) -> Policies:
    return load(settings_in(Path()).model_copy(update={"level": level}))


def load_once(settings: Settings) -> Policies:
    """Read the shipped policies once; any others as always."""
    return _loaded(settings.level) if settings.level and settings.policies == SHIPPED_POLICIES else load(settings)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting comes from outside, nothing is written into the working tree, and logging is put back."""
    monkeypatch.setattr("governance.bootstrap.load", load_once)
    for name in ("HOME", "LEVEL", "TENANT", "POLICIES", "DATABASE_URL"):
        monkeypatch.delenv(f"SAFE_CONDUCT_{name}", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command inside this process."""

    def running(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return Ran(code=left.value.code or 0, out=said.out, err=said.err)

    return running


@pytest.fixture
def at(home: Path) -> tuple[str, ...]:
    """Which house: goes after every command that opens one."""
    return ("--home", str(home), "--level", "knowledge", "--tenant", "demo")


@pytest.fixture
def asked(world: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a request of the world, with changes, and returns the file; None leaves a key out."""

    def writing(number: str, **changes: Any) -> Path:
        found = json.loads(next((world / "requests").glob(f"{number}-*.json")).read_text())
        file = tmp_path / "request.json"
        file.write_text(json.dumps({k: v for k, v in (found | changes).items() if v is not None}))
        return file

    return writing
