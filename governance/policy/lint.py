"""Find what is well formed and still wrong: law that is never in force, names that nobody uses.

Guarantees: looks only; whatever it calls an error keeps a set from being used. Unknown names, gates neither
asked nor silent, missing citations, facts that may not stand where they do, and outcomes that a document
never has are found by `governance.policy.schema` and `governance.policy.compile` already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.core.conditions import Timespan
from governance.policy.read import Mapping, Node, Scalar
from governance.policy.schema import PackDocument
from governance.policy.shape import Faults

__all__ = ["lint"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_SECTIONS = {"definitions": "definition", "tables": "table", "measures": "measure"}


def lint(packs: tuple[PackDocument, ...], faults: Faults) -> None:
    """Record what a lawyer should look at.

    Args:
        packs: every pack of the set.
        faults: collects what is found.
    """
    used = {word.text for pack in packs for word in _words(pack.node)}
    for pack in packs:
        _never(pack, faults)
        _unused(pack, used, faults)


def _never(pack: PackDocument, faults: Faults) -> None:
    """Find rules and rows whose dates, joined with their pack's, leave no day."""
    for documents in pack.rules.values():
        for rule in documents:
            if _empty(rule.standing.span):
                faults.error(rule.node, f"rule `{rule.id}` is never in force", "compare its dates with the pack's")
    for rows in pack.tables.values():
        for row in rows:
            if _empty(row.standing.span):
                faults.error(row.node, f"row `{row.id}` is never in force", "compare its dates with the pack's")


def _empty(span: Timespan) -> bool:
    return (span.from_earliest is not None and span.until_latest is not None and span.until_latest < span.from_earliest)


def _unused(pack: PackDocument, used: set[str], faults: Faults) -> None:
    for section, what in _SECTIONS.items():
        node = pack.node.get(section)
        for key, _ in node.entries if isinstance(node, Mapping) else ():
            if not _NAME.match(key.text):
                faults.error(key, f"`{key.text}` is no name", "use small letters, digits and hyphens")
            elif key.text not in used and f"{pack.id}/{key.text}" not in used:
                faults.warn(key, f"{what} `{key.text}` is used nowhere", "use it or leave it out")


def _words(node: Node) -> Iterator[Scalar]:
    """Return every value (not key) of a tree."""
    match node:
        case Scalar():
            yield node
        case Mapping(entries=entries):
            for _, value in entries:
                yield from _words(value)
        case _:
            for item in node.items:
                yield from _words(item)
