"""Methods for elements that are objects: codings, concepts, references, addresses, extensions.

Guarantees: a coding stays only if its code system is one that anybody can look up; a printed form stays only
beside such a code; a reference leads to a resource of the same release or is removed; an extension stays
only if a rule names its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from governance.deidentify.methods import Apply, Json, keep_code, keep_flag
from governance.deidentify.nodes import Node, walk

if TYPE_CHECKING:
    from governance.deidentify.subject import Coding, Subject

__all__ = [
    "apply_address", "apply_coding", "apply_concept", "apply_extensions", "apply_node", "apply_reference",
]  # fmt: skip


def apply_node(node: Node) -> Apply:
    """Make the method that walks an object with parts."""

    def apply(value: Json, subject: Subject) -> Json:
        return walk(node, value, subject) or None if type(value) is dict else None

    return apply


def apply_address(node: Node) -> Apply:
    """Make the method for an address, whose country decides about its postal code."""

    def apply(value: Json, subject: Subject) -> Json:
        if type(value) is not dict:
            return None
        subject.address_country = value.get("country")
        out = walk(node, value, subject)
        return out if out.keys() - {"use", "type"} else None  # the bare kind of an address says nothing

    return apply


def apply_coding(value: Json, subject: Subject) -> Json:
    """Keep a coding of a public code system, and its printed form if that names nobody."""
    if type(value) is not dict:
        return None
    system, code, display = value.get("system"), value.get("code"), value.get("display")
    if type(system) is not str or type(code) is not str or not (display is None or type(display) is str):
        return None
    key = (system, code, display)
    done = subject.concepts.get(key, subject)
    if done is subject:
        done = subject.concepts[key] = _coding(key, subject)
    if len(value) > 3 and isinstance(done, dict):
        version = keep_code(value.get("version"), subject)
        chosen = keep_flag(value.get("userSelected"), subject)
        extra = {"version": version, "userSelected": chosen}
        return {**done, **{name: item for name, item in extra.items() if item is not None}}
    return done


def _coding(coding: Coding, subject: Subject) -> Json:
    stays, printed = subject.keeps(coding)
    if not stays:
        return None
    system, code, display = coding
    return {"system": system, "code": code, "display": display} if printed else {"system": system, "code": code}


def apply_concept(value: Json, subject: Subject) -> Json:
    """Keep the public codings of a concept.

    Its text stays where it only repeats a printed form that stays; otherwise it is free text. Records repeat
    their concepts, so a concept of one plain coding is worked out once for each subject.
    """
    if type(value) is not dict:
        return None
    codings = value.get("coding")
    if type(codings) is list and len(codings) == 1 and type(codings[0]) is dict and len(codings[0]) <= 3:
        one = codings[0]
        key = (one.get("system"), one.get("code"), one.get("display"), value.get("text"))
        try:
            out = subject.concepts.get(key, subject)
        except TypeError:  # an object where a code belongs: the slow way removes it
            return _concept(value, subject)
        if out is not subject:
            return out
        if "version" not in one and "userSelected" not in one:
            out = subject.concepts[key] = _concept(value, subject)
            return out
    return _concept(value, subject)


def _concept(value: dict[str, Json], subject: Subject) -> Json:
    codings, text = value.get("coding"), value.get("text")
    out: dict[str, Json] = {}
    if type(codings) is list:
        kept = [new for one in codings if (new := apply_coding(one, subject)) is not None]
        if kept:
            out["coding"] = kept
            if text is not None and any(type(one) is dict and one.get("display") == text for one in kept):
                out["text"] = text
                return out
    if type(text) is str and subject.scrub is not None:
        out["text"] = subject.scrub(text)
    return out or None


def apply_reference(value: Json, subject: Subject) -> Json:
    """Lead a reference to the new id of its target; without a target in the release it is removed.

    The printed form and the logical identifier of a reference name people: they never stay.
    """
    if type(value) is not dict:
        return None
    target = value.get("reference")
    if type(target) is not str:
        return None
    found = subject.references.get(target)
    if found is None and target[:1] == "#":
        found = subject.local.get(target)
        if found is not None:
            subject.used.add(target)
    return found


def apply_extensions(rules: Mapping[str, Mapping[str, object]]) -> Apply:
    """Make the method that keeps extensions by their address."""

    def apply(value: Json, subject: Subject) -> Json:
        if type(value) is not dict:
            return None
        url = value.get("url")
        rule = rules.get(url) if type(url) is str else None
        if rule is None:
            return None
        return _extension(value, rule, subject)

    return apply


def _extension(value: dict[str, Json], rule: Mapping[str, object], subject: Subject) -> Json:
    out: dict[str, Json] = {"url": value["url"]}
    for name, item in value.items():
        apply = rule.get(name)
        if callable(apply):
            changed = apply(item, subject)
            if changed is not None:
                out[name] = changed
    nested: list[Json] = []
    inner = value.get("extension")
    for one in inner if type(inner) is list else ():
        deeper = rule.get(one["url"]) if type(one) is dict and type(one.get("url")) is str else None
        if isinstance(deeper, Mapping):
            changed = _extension(one, deeper, subject)
            if changed is not None:
                nested.append(changed)
    if nested:
        out["extension"] = nested
    return out if len(out) > 1 else None
