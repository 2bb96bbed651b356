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

__all__ = ["Node", "Program", "RefusedResourceError", "Slot", "walk"]


class RefusedResourceError(Exception):
    """A resource that cannot be given without changing its meaning; it is left out and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An element path and the rule that decides it."""

    path: str
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """What to do with objects of one node that have the same element names in the same order.

    Attributes:
        steps: (name, slot, method) of the elements that a method looks at.
        removed: slots of elements that a rule removes.
        unruled: paths of elements that no rule names.
        refused: there is a modifier that no rule knows.
        whole: where something stays of every element, nothing that FHIR requires is missing.
    """

    steps: tuple[tuple[str, int, Apply], ...]
    removed: tuple[int, ...]
    unruled: tuple[str, ...]
    refused: bool
    whole: bool


@dataclass(slots=True, kw_only=True)
class Node:
    """An object and its elements.

    Attributes:
        elements: name to slot number and method; None as method removes.
        required: (name, is an object, repeats) of elements FHIR requires.
        one_of: groups of which FHIR requires one, with whether the first is an object.
        parts: backbone elements, to fill required ones.
        names: every element name that the base rules know; others go into no manifest.
        absent: extension URL and code that stand for a removed value.
        programs: what was worked out for the element names met so far; never more than `_MOST_PROGRAMS`.
    """

    path: str
    absent: tuple[str, str]
    names: frozenset[str] = frozenset()
    elements: dict[str, tuple[int, Apply | None]] = field(default_factory=dict)
    required: tuple[tuple[str, bool, bool], ...] = ()
    one_of: tuple[tuple[tuple[str, ...], bool], ...] = ()
    parts: dict[str, Node] = field(default_factory=dict)
    programs: dict[tuple[str, ...], Program] = field(default_factory=dict)


_MOST_PROGRAMS = 512
_HANDLED = frozenset({"resourceType", "id", "contained"})
"""Keys of a resource that are not walked: set anew or treated apart."""


def walk(node: Node, value: dict[str, Json], subject: Subject) -> dict[str, Json]:
    """Apply the tree to one object.

    Records repeat few combinations of element names, so what to do is worked out once for each and
    counted once for each object; only removed values are counted one by one.

    Returns:
        A new object; empty if nothing of it may stay.

    Raises:
        RefusedResourceError: there is a modifier extension that no rule knows.
    """
    names = tuple(value)
    program = node.programs.get(names) or _program(node, names)
    if program.refused:
        raise RefusedResourceError
    done = subject.done
    done[program] = done.get(program, 0) + 1
    out: dict[str, Json] = {}
    for name, slot, apply in program.steps:
        item = value[name]
        if type(item) is list:
            changed: Json = [new for one in item if (new := apply(one, subject)) is not None] or None
        else:
            changed = apply(item, subject)
        if changed is None:
            subject.removed[slot] = subject.removed.get(slot, 0) + 1
        else:
            out[name] = changed
    if out and not (program.whole and len(out) == len(program.steps)):
        fill(node, out)
    return out


def _program(node: Node, names: tuple[str, ...]) -> Program:
    """Work out what to do with objects of these element names."""
    steps: list[tuple[str, int, Apply]] = []
    removed: list[int] = []
    unruled: list[str] = []
    top = "." not in node.path
    refused = "modifierExtension" in names or (top and "implicitRules" in names)
    for name in names:
        entry = node.elements.get(name)
        if entry is None:
            if not (top and name in _HANDLED):
                unruled.append(f"{node.path}.{name}" if name in node.names else f"{node.path}.?")
        elif entry[1] is None:
            removed.append(entry[0])
        else:
            steps.append((name, entry[0], entry[1]))
    looked_at = {name for name, _, _ in steps}
    whole = all(name in looked_at for name, _, _ in node.required) and not any(
        looked_at.isdisjoint(group) for group, _ in node.one_of
    )
    program = Program(
        steps=tuple(steps), removed=tuple(removed), unruled=tuple(unruled), refused=refused, whole=whole
    )
    if len(node.programs) < _MOST_PROGRAMS:
        node.programs[names] = program
    return program


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
