"""Records of the world's patients to break, and what must hold after any failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.__main__ import main as audit_main
from governance.errors import SafeConductError
from governance.usecases.ports import House
from tests.usecases.conftest import (  # noqa: F401 - fixtures
    ask,
    clock,
    data,
    house,
    policies,
    registered,
    reopened,
    world,
)  # fmt: skip

CANARY = "Zyxcanaria"
"""Stands in names of files and values of records; no error may show it."""


@pytest.fixture(scope="session")
def bundles(world: Path, ask: Callable[..., dict[str, Any]]) -> Callable[[str], list[dict[str, Any]]]:  # noqa: F811
    """Returns fresh copies of the records of the patients whom a request names."""

    def reading(number: str) -> list[dict[str, Any]]:
        request = ask(number)
        subjects = json.loads((world / "register" / "subjects.json").read_text())
        wanted = {i["value"] for s in subjects if s["id"] in request["subjects"]["ids"] for i in s["identifiers"]}
        read = (json.loads(p.read_bytes()) for p in sorted((world / "records" / request["dataset"]).glob("*.json")))
        return [b for b in read if {i["value"] for i in patient_of(b)["identifier"]} & wanted]

    return reading


def patient_of(bundle: dict[str, Any]) -> dict[str, Any]:
    return next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")


def texts_of(error: BaseException) -> str:
    """Everything that an error would show to anybody."""
    shown = [str(error), repr(error)]
    if isinstance(error, SafeConductError):
        shown += [str(error.where), str(error.hint), *(f"{d} {d.where} {d.hint}" for d in error.diagnostics)]
    if error.__cause__ is not None:
        shown.append(texts_of(error.__cause__))
    return "\n".join(shown)


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """How something failed."""

    error: SafeConductError
    texts: str


@pytest.fixture
def nothing_happens(house: House, tmp_path: Path) -> Callable[..., Any]:  # noqa: F811
    """Checks that a block fails in the named way, and leaves no output, no leftover, and only so many entries."""

    @contextmanager
    def watching(kind: type[SafeConductError], *, entries: int = 0) -> Iterator[list[Failed]]:
        size, before, failed = house.log.size("demo"), files_in(tmp_path / "release"), []
        with pytest.raises(kind) as caught:
            yield failed
        failed.append(Failed(error=caught.value, texts=texts_of(caught.value)))
        assert CANARY.lower() not in failed[0].texts.lower()
        assert files_in(tmp_path / "release") == before
        assert house.log.size("demo") == size + entries
        house.log.export("demo", tmp_path / "served")
        assert audit_main(["verify", str(tmp_path / "served")]) == 0

    (tmp_path / "release").mkdir()
    return watching
