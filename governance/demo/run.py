"""``safe-conduct demo``: the main job on a small synthetic world, with nothing scripted.

The world is written as files and goes through the same use cases as anybody's: registered, decided, released,
logged, and the served log verified by the stand-alone verifier.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from governance.access import Caller, Role
from governance.bootstrap import open_house, served_log
from governance.cli.output import decision_lines, print_json
from governance.demo import generate
from governance.errors import InputError, IntegrityError
from governance.settings import Settings
from governance.usecases.audit import export_log
from governance.usecases.consent import record_consents
from governance.usecases.decide import decide_request
from governance.usecases.ports import House
from governance.usecases.register import Item, register, verify
from governance.usecases.release import release

__all__ = ["run_demo"]

_MARK = "safe-conduct-demo.json"
_COLOUR = {"permit": "green", "deny": "red", "refer": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One request of the demo and what became of it."""

    name: str
    request: Mapping[str, object]
    document: Mapping[str, object]
    records: int
    folder: Path | None


def run_demo(out: Path, *, patients: int, seed: int, as_json: bool) -> None:
    """Make a fresh world under a folder and run the main job on it.

    Args:
        out: folder for everything; one that an earlier demo made is made anew, any other is refused.
        patients: how many synthetic patients.
        seed: seed of the world.
        as_json: print one JSON document instead of lines.

    Raises:
        InputError: the folder holds something else.
        IntegrityError: the log did not verify.
    """
    started = time.monotonic()
    console = Console(soft_wrap=True, highlight=False, quiet=as_json)
    _prepare(out)
    world = out / "world"
    console.print(f"A synthetic world: {patients} patients (seed {seed})", style="dim")
    generate(world, seed=seed, patients=patients, today=datetime.now(UTC).date())
    settings = Settings(home=out, level="knowledge", tenant="demo")
    answers: list[_Answer] = []
    with open_house(settings) as house:
        counts = _register(house, world)
        console.print("Registered: " + ", ".join(f"{count} {what}" for what, count in counts.items()), style="dim")
        console.print("Every answer rests on law that no lawyer has signed off yet: a demonstration, not advice.\n",
                      style="dim")  # fmt: skip
        for number, path in enumerate(sorted((world / "requests").glob("*.json")), start=1):
            answer = _ask(house, path, world, out / "released")
            answers.append(answer)
            _print_answer(console, number, answer)
        size = export_log(house, _officer(), served_log(settings))
    _verify(served_log(settings))
    tally = Counter(str(a.document["effect"]) for a in answers)
    seconds = time.monotonic() - started
    if as_json:
        print_json({
            "answers": [{"name": a.name, "decision": a.document, "records": a.records,
                         "folder": None if a.folder is None else str(a.folder)} for a in answers],
            "log": {"folder": str(served_log(settings)), "size": size, "verified": True}, "seconds": round(seconds, 1),
        })  # fmt: skip
        return
    console.print(f"{len(answers)} requests: " + ", ".join(f"{n} {effect}" for effect, n in sorted(tally.items()))
                  + f", in {seconds:.0f} seconds.")  # fmt: skip
    console.print(f"Files: {out}/released, {out}/safe-conduct.db, {out}/keys, {out}/log.")
    console.print("Change a request and ask again:")
    console.print(f"  export SAFE_CONDUCT_HOME={out} SAFE_CONDUCT_TENANT=demo SAFE_CONDUCT_LEVEL=knowledge",
                  style="dim")  # fmt: skip
    console.print(f"  .uv/bin/uv run safe-conduct decide {out}/world/requests/{answers[0].name}.json", style="dim")
    console.print(f"The log was verified: {size} entries, every one re-hashed, by `python -m audit verify {out}/log`.",
                  style="bold green")  # fmt: skip


def _prepare(out: Path) -> None:
    """Take an empty folder, or one that an earlier demo made."""
    if out.exists() and any(out.iterdir()) and not (out / _MARK).exists():
        raise InputError(f"`{out}` holds something that no demo made", where="--out", hint="name another folder")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / _MARK).write_text('{"made by": "safe-conduct demo"}\n')


def _custodian() -> Caller:
    return Caller(tenant="demo", user="records-office", role=Role.CUSTODIAN)


def _officer() -> Caller:
    return Caller(tenant="demo", user="compliance-officer", role=Role.OFFICER)


def _register(house: House, world: Path) -> dict[str, int]:
    """Register the world through the use cases; evidence is verified by another person."""
    counts: dict[str, int] = {}
    for item in (Item.PARTIES, Item.PROJECTS, Item.FLOWS, Item.SUBJECTS, Item.DATASETS, Item.EVIDENCE):
        documents = json.loads((world / "register" / f"{item}.json").read_text())
        claimed = [{k: v for k, v in d.items() if k not in ("submitted_by", "verified_by")} for d in documents]
        register(house, _custodian(), item, claimed)
        counts[str(item)] = len(documents)
        if item is Item.EVIDENCE:
            for document in documents:
                if document.get("verified_by"):
                    verify(house, _officer(), document["id"])
    consents = [json.loads(path.read_text()) for path in sorted((world / "consents").glob("*.json"))]
    record_consents(house, _custodian(), consents)
    return {**counts, "consents": len(consents)}


def _ask(house: House, path: Path, world: Path, released: Path) -> _Answer:
    """Ask for a release where there are records to release, else for a decision."""
    raw = path.read_bytes()
    request = json.loads(raw)
    records = world / "records" / str(request.get("dataset"))
    if request.get("carry") == "self" or request.get("dry_run") or not records.is_dir():
        decided = decide_request(house, _custodian(), raw)
        return _Answer(name=path.stem, request=request, document=decided.document, records=0, folder=None)
    done = release(house, _custodian(), records, raw, released / path.stem)
    count = done.summary["records"] if done.summary else 0
    assert isinstance(count, int)
    return _Answer(name=path.stem, request=request, document=done.decided.document, records=count,
                   folder=released / path.stem if done.summary else None)  # fmt: skip


def _print_answer(console: Console, number: int, answer: _Answer) -> None:
    legs = answer.request.get("legs") or [answer.request]
    assert isinstance(legs, list)
    way = " -> ".join([str(answer.request.get("exporter")),
                       *(f"{leg.get('recipient')} ({leg.get('destination', '?')})" for leg in legs)])  # fmt: skip
    title = answer.name.partition("-")[2].replace("-", " ")
    console.print(f"{number:2d}. {title}", style="bold", end="  ")
    console.print(f"{way}, for {answer.request.get('purpose')}", style="dim")
    lines = decision_lines({**answer.document, "notes": []}, most=3)
    console.print(f"  {lines[0]}", style=_COLOUR[str(answer.document["effect"])])
    for line in lines[1:]:
        console.print(line, markup=False)
    if answer.folder is not None:
        console.print(f"  released  {answer.records} records, manifest and receipt in {answer.folder}", markup=False)
    receipt = answer.document["receipt"]
    assert isinstance(receipt, Mapping)
    console.print(f"  logged    entry {receipt['index']}\n", markup=False)


def _verify(folder: Path) -> None:
    """Run the stand-alone verifier as a stranger would: another process, only the files."""
    done = subprocess.run([sys.executable, "-m", "audit", "verify", str(folder)],  # noqa: S603 - our own module
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode != 0:
        raise IntegrityError("the log does not verify", hint=done.stdout.strip() or done.stderr.strip())
