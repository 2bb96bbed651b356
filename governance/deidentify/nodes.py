"""The tree that a profile compiles to, and the walk over it.

Guarantees: what has no entry in the tree is dropped and counted; a required element that was removed is
filled so that the result stays valid (FHIR R4, extensibility: data-absent-reason); a modifier extension
that no rule knows raises, because dropping it would change what the resource says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from governance.deidentify.methods import Apply, Json
from governance.deidentify.profile import Rule

if TYPE_CHECKING:
    from governance.deidentify.subject import Subject

__all__ = ["Node", "RefusedResourceError", "Slot", "walk"]


class RefusedResourceError(Exception):
    """A resource that cannot be given without changing its meaning; it is left out and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An element path and the rule that decides it."""

    path: str
    rule: Rule


@dataclass(slots=True, kw_only=True)
class Node:
    """An object and its elements.

    Attributes:
        elements: name to slot number and method; None as method removes.
        required: (name, is an object, repeats) of elements FHIR requires.
        one_of: groups of which FHIR requires one, with whether the first is an object.
        parts: backbone elements, to fill required ones.
        absent: extension URL and code that stand for a removed value.
    """

    path: str
    absent: tuple[str, str]
    elements: dict[str, tuple[int, Apply | None]] = field(default_factory=dict)
    required: tuple[tuple[str, bool, bool], ...] = ()
    one_of: tuple[tuple[tuple[str, ...], bool], ...] = ()
    parts: dict[str, Node] = field(default_factory=dict)


_HANDLED = frozenset({"resourceType", "id", "contained"})
"""Keys of a resource that are not walked: set anew or treated apart."""


def walk(node: Node, value: dict[str, Json], subject: Subject) -> dict[str, Json]:
    """Apply the tree to one object.

    Returns:
        A new object; empty if nothing of it may stay.

    Raises:
        RefusedResourceError: there is a modifier extension that no rule knows.
    """
    out: dict[str, Json] = {}
    elements, kept, removed = node.elements, subject.kept, subject.removed
    for key, item in value.items():
        entry = elements.get(key)
        if entry is None:
            _drop(node, key, subject)
            continue
        slot, apply = entry
        if apply is None:
            removed[slot] += 1
            continue
        if type(item) is list:
            changed: Json = [new for one in item if (new := apply(one, subject)) is not None] or None
        else:
            changed = apply(item, subject)
        if changed is None:
            removed[slot] += 1
        else:
            kept[slot] += 1
            out[key] = changed
    if out and (node.required or node.one_of):
        fill(node, out)
    return out


def _drop(node: Node, key: str, subject: Subject) -> None:
    if key == "modifierExtension" or (key == "implicitRules" and "." not in node.path):
        raise RefusedResourceError
    if key not in _HANDLED or "." in node.path:
        path = f"{node.path}.{key}" if key.isidentifier() and len(key) < 64 else f"{node.path}.?"
        subject.unruled[path] = subject.unruled.get(path, 0) + 1


def fill(node: Node, out: dict[str, Json]) -> None:
    """Put what stands for a removed value wherever FHIR requires an element."""
    for name, is_object, repeats in node.required:
        if name not in out:
            _fill_one(node, out, name, is_object=is_object, repeats=repeats)
    for group, is_object in node.one_of:
        if not any(name in out for name in group):
            _fill_one(node, out, group[0], is_object=is_object, repeats=False)


def _fill_one(node: Node, out: dict[str, Json], name: str, *, is_object: bool, repeats: bool) -> None:
    url, code = node.absent
    absent: dict[str, Json] = {"extension": [{"url": url, "valueCode": code}]}
    if not is_object:
        out["_" + name] = absent
        return
    part = node.parts.get(name)
    if part is not None:
        fill(part, absent)
    out[name] = [absent] if repeats else absent
