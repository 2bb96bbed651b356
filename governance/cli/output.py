"""What a person sees: verdicts in a few readable lines, errors that help, progress on long work."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from governance.errors import SafeConductError

__all__ = ["EXIT_OF_EFFECT", "Tick", "decision_lines", "fail", "print_json", "progress", "show", "show_decision"]

EXIT_OF_EFFECT = {"permit": 0, "deny": 3, "refer": 5}
Tick = Callable[[str, int, int | None], None]
"""Progress: what is being done, how far, of how many (None if not known)."""
_WIDTH = 108
_COLOUR = {"permit": "green", "deny": "red", "refer": "yellow"}


def print_json(document: object) -> None:
    """Print one JSON document, keys sorted."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n")


def show(document: object, sentence: str, *, as_json: bool) -> None:
    """Print a result as JSON or as a sentence."""
    if as_json:
        print_json(document)
    else:
        print(sentence)


def show_decision(
    document: Mapping[str, object], *, as_json: bool, released: Mapping[str, object] | None = None
) -> None:
    """Print a decision, and what was released under it."""
    if as_json:
        print_json({**document, "release": released} if released is not None else document)
        return
    console = Console(soft_wrap=True, highlight=False)
    lines = decision_lines(document)
    effect = str(document["effect"])
    console.print(lines[0], style=f"bold {_COLOUR[effect]}")
    for line in lines[1:]:
        console.print(line, markup=False)
    if released:
        console.print(f"  released  {released['records']} records to {released['folder']}", markup=False)
    receipt = document.get("receipt")
    if isinstance(receipt, Mapping):
        console.print(f"  logged    entry {receipt['index']}, decision {document['id']}", markup=False)


def decision_lines(document: Mapping[str, object], *, most: int = 4) -> list[str]:
    """Render a decision as a few lines: the verdict, then why with citations, duties, what is missing.

    Args:
        document: a decision document, whole or as a stranger sees it.
        most: how many reasons to show; the rest are counted.
    """
    lines = [_headline(document)]
    for note in _strings(document.get("notes")):
        lines += _wrapped("note", note)
    if document.get("answer"):
        lines += _wrapped("answer", "not available")
    reasons = _because(document)
    for reason in reasons[:most]:
        lines += _wrapped("because", reason)
    if len(reasons) > most:
        lines += _wrapped("", f"and {len(reasons) - most} more; --json shows all")
    missing = _strings(document.get("missing"))
    if missing:
        lines += _wrapped("missing", ", ".join(missing))
    duties = document.get("duties")
    if isinstance(duties, list) and duties:
        lines += _wrapped("duties", ", ".join(f"{d['id']} ({d['by']})" for d in duties))
    remedies = document.get("remedies")
    if isinstance(remedies, list):
        for remedy in remedies[:2]:
            lines += _wrapped("remedy", remedy["says"])
    return lines


def _headline(document: Mapping[str, object]) -> str:
    effect = str(document["effect"])
    words = [effect.upper()]
    if document.get("refer"):
        words.append(f"({document['refer']})")
    profile = document.get("profile")
    if effect == "permit":
        words.append("as asked" if profile == "as-is" else f"as {profile}")
        people = document["subjects"]
        assert isinstance(people, Mapping)
        if people["in"] is not None:
            left = f", {people['out']} left out" if people["out"] else ""
            words.append(f"- {people['in']} {'person' if people['in'] == 1 else 'people'}{left}")
        parts = document["parts"]
        assert isinstance(parts, Mapping)
        if parts["withheld"]:
            words.append(f"- withheld: {', '.join(parts['withheld'])}")
        if document.get("check_again_by"):
            words.append(f"- until {str(document['check_again_by'])[:10]}")
    return " ".join(words)


def _deciding(document: Mapping[str, object]) -> list[Mapping[str, str]]:
    """Return the reasons that decided, each rule once."""
    reasons = document.get("reasons")
    seen: dict[tuple[str, str], Mapping[str, str]] = {}
    for reason in reasons if isinstance(reasons, list) else []:
        if document["effect"] == "permit" and not reason.get("relied_on"):
            continue
        seen.setdefault((reason["rule"], reason["says"]), reason)
    return list(seen.values())


def _because(document: Mapping[str, object]) -> list[str]:
    """Say why: the engine's own statements and single rules first, then the ways that are closed, one line a law."""
    first: list[str] = []
    rules: list[str] = []
    closed: dict[tuple[str, str], list[str]] = {}
    for reason in _deciding(document):
        gate = reason.get("gate") or ""
        if document["effect"] == "deny" and gate in ("grounds", "mechanisms", "outside_scope"):
            closed.setdefault((reason["regime"], gate), []).append(reason["cite"])
            continue
        cite = f" ({reason['cite']})" if reason["cite"] else ""
        (first if not gate else rules).append(f"{reason['regime']}{cite}: {reason['says']}")
    ways = {"grounds": "no ground opens", "mechanisms": "no way to transfer opens", "outside_scope": "it applies"}
    shut = [f"{regime}: {ways[gate]} ({_few(cites)})" for (regime, gate), cites in closed.items()]
    return [*first, *rules, *shut]


def _few(cites: list[str], most: int = 4) -> str:
    rest = f"; {len(cites) - most} more" if len(cites) > most else ""
    return "; ".join(cites[:most]) + rest


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, width=_WIDTH, initial_indent=f"  {label:<9} ", subsequent_indent=" " * 12)


@contextmanager
def progress(visible: bool) -> Iterator[Tick]:  # noqa: FBT001 - one switch
    """Show a progress bar on standard error, if it is a terminal and the caller wants one."""
    if not visible or not sys.stderr.isatty() or os.environ.get("CI"):
        yield lambda _what, _done, _of: None
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, int] = {}

        def tick(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(bar.task_ids[list(tasks).index(what)], completed=done, total=of)

        yield tick


def fail(error: SafeConductError, *, as_json: bool) -> NoReturn:
    """Say what happened, where, and what to try, and leave with the error's exit code."""
    if as_json:
        print_json({
            "error": {
                "code": error.code, "message": error.message, "where": error.where, "hint": error.hint,
                "diagnostics": [
                    {"where": d.where, "message": d.message, "hint": d.hint, "severity": d.severity}
                    for d in error.diagnostics
                ],
            }
        })  # fmt: skip
    else:
        where = f"{error.where}: " if error.where else ""
        print(f"error: {where}{error.message}", file=sys.stderr)
        for diagnostic in error.diagnostics:
            print(str(diagnostic), file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
    sys.exit(error.exit_code)
