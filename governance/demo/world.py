"""A small synthetic world: institutions, patients with records and consents, papers on file, and requests.

Guarantees: the same seed, number of patients and day give the same bytes on any machine; nothing in it is
about a real person, and nothing in it says how a request will be decided.

Example:
    >>> generate(Path("world"), seed=7, patients=300)    # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import yaml

from governance.demo.consents import spread_states, write_consent
from governance.demo.people import Person, invent_person
from governance.demo.records import Sender, build_bundle

__all__ = ["generate"]

Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class _World:
    """What has been made so far; `states` is what each patient's consents say."""

    today: date
    subjects: list[Document] = field(default_factory=list)
    datasets: list[Document] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)


def generate(out: Path, *, seed: int = 7, patients: int = 300, today: date | None = None) -> None:
    """Write the world under a folder.

    Args:
        out: folder; made if missing. ``register/*.json``, ``consents/*.json``,
            ``records/<dataset>/<ordinal>.json`` and ``requests/NN-name.json`` are written into it.
        seed: source of all chance.
        patients: people in all data sets together.
        today: day the world is seen on (papers and visits count from it); default: the data's own.
    """
    data = _data("world")
    world = _World(today=today or data["today"])
    for dataset in data["datasets"]:
        _make_dataset(out, dataset, world, seed=seed, patients=patients)
    register = out / "register"
    _write(register / "parties.json", data["parties"])
    _write(register / "projects.json", data["projects"])
    _write(register / "datasets.json", world.datasets)
    _write(register / "flows.json", [_flow(flow) for flow in data["flows"]])
    _write(register / "evidence.json", [_evidence(item, data["clerks"], world.today) for item in data["evidence"]])
    _write(register / "subjects.json", world.subjects)
    for number, entry in enumerate(_data("requests"), start=1):
        request = entry["request"] | {"subjects": _subjects(entry["request"]["subjects"], world)}
        _write(out / "requests" / f"{number:02}-{entry['name']}.json", request)


@cache
def _data(name: str) -> Any:  # noqa: ANN401 - parsed YAML, shaped by our own files beside this module
    text = files("governance.demo").joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")


def _make_dataset(out: Path, dataset: Mapping[str, Any], world: _World, *, seed: int, patients: int) -> None:
    """Make the people of a data set with their records and consents, and register them."""
    name = dataset["id"]
    count = max(len(dataset["consents"]), round(dataset["share"] * patients))
    random = _random(seed, name)
    given = {state: weight for state, weight in dataset["consents"].items() if state != "policy"}
    states = spread_states(given, count, random)
    locales = _data("locales")
    sender = Sender(
        hospital=next(party["name"] for party in _data("world")["parties"] if party["id"] == dataset["holder"]),
        parts=tuple(part["id"] for part in dataset["parts"]),
        offset=dataset["offset"],
        locale=locales[dataset["lives"]],
        notes=_data("notes"),
        clinical=_data("clinical"),
        today=world.today,
    )
    members: list[str] = []
    for ordinal, state in enumerate(states, start=1):
        own = _random(seed, name, ordinal)
        person = _make_person(dataset, ordinal, world.today, own)
        members.append(person.id)
        world.states[person.id] = state
        if person.died is None:
            world.alive.add(person.id)
        world.subjects.append(_subject(person, dataset, world.today, own))
        _write(out / "records" / name / f"{ordinal:04}.json", build_bundle(person, sender, own))
        consent = write_consent(
            state=state, subject=person.id, holder=dataset["holder"], policy=dataset["consents"]["policy"],
            terms=_data("world")["consent_terms"][name], today=world.today, random=own,
        )  # fmt: skip
        if consent is not None:
            _write(out / "consents" / f"{name}-{ordinal:04}.json", consent)
    world.members[name] = members
    world.datasets.append(_dataset(dataset, members, random))


def _random(*seeds: object) -> Random:
    """Return a source of chance that a text seeds: the same on every machine."""
    return Random(":".join(str(seed) for seed in seeds))  # noqa: S311 - a world to play with, not a secret


def _make_person(dataset: Mapping[str, Any], ordinal: int, today: date, random: Random) -> Person:
    locales = _data("locales")
    homes: Mapping[str, int] = dataset["homes"]
    number = "".join(str(random.randrange(10)) if c == "#" else c for c in dataset["record_pattern"])
    return invent_person(
        id=f"{dataset['subject_prefix']}-{ordinal:04}",
        record_number=number,
        record_system=dataset["record_system"],
        home=random.choices(list(homes), weights=list(homes.values()))[0],
        lives=locales[dataset["lives"]],
        locales=locales,
        today=today,
        random=random,
    )


def _subject(person: Person, dataset: Mapping[str, Any], today: date, random: Random) -> Document:
    residence: str = random.choice(dataset["residence"])
    [us_person] = dataset["us_person"].values()
    return {
        "id": person.id,
        "identifiers": [{"system": system, "value": value} for system, _, value in person.identifiers],
        "facts": {
            "residence": residence,
            "birth_date": person.born.isoformat(),
            "us_person": us_person,
            "dead_years": -1 if person.died is None else (today - person.died).days // 365,
            "instructions": [],
            "opt_outs": [],
        },
    }


def _dataset(dataset: Mapping[str, Any], members: list[str], random: Random) -> Document:
    kept = {name: dataset[name] for name in ("id", "holder", "place", "project", "facts", "parts") if name in dataset}
    cohorts = {}
    for name, share in dataset["cohorts"].items():
        size = max(1, round(share * len(members)))
        cohorts[name] = sorted(random.sample(members, k=size))
    return {**kept, "cohorts": cohorts}


def _flow(flow: Mapping[str, Any]) -> Document:
    return {"id": f"{flow['exporter']}--{flow['recipient']}", **flow}


def _evidence(item: Mapping[str, Any], clerks: Iterable[str], today: date) -> Document:
    issued = today - timedelta(days=item["age"])
    submitted, verified = clerks
    return {
        "id": item["id"],
        "type": item["type"],
        "scope": item["scope"],
        "issued_on": issued.isoformat(),
        "valid_from": issued.isoformat(),
        "valid_until": (issued + timedelta(days=item["lasts"])).isoformat(),
        "outcome": item["outcome"],
        "properties": item.get("properties", {}),
        "submitted_by": submitted,
        "verified_by": verified,
    }


def _subjects(wanted: Mapping[str, Any], world: _World) -> Mapping[str, Any]:
    """Replace ``pick`` by the living patients whose consents are in the wanted state, in register order."""
    pick = wanted.get("pick")
    if pick is None:
        return wanted
    fitting = [m for m in world.members[pick["dataset"]] if world.states[m] == pick["state"] and m in world.alive]
    return {"ids": fitting[: pick["count"]]}
