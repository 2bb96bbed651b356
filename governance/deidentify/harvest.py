"""Collect the identifying values of a record from the elements that FHIR has for them.

Guarantees: names, addresses, telecoms, identifiers, ids of resources and printed references to people are
collected wherever they stand, from resources of every type, ruled or not; the record is not changed.

Example:
    >>> # collect(plan.harvest, resources)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from governance.deidentify.known import Kind, Value
from governance.deidentify.methods import Json
from governance.deidentify.profile import BaseRules, TypeRules
from governance.deidentify.words import Words

__all__ = ["Harvest", "collect", "compile_harvest"]

_DEEPEST = 40
_ACTOR = "actor"
_WHOLE = frozenset({"HumanName", "Address", "ContactPoint", "Identifier"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Where identifying values stand.

    Attributes:
        trees: resource type to element to deeper tree; None: everything below is searched by shape.
        name_extensions: parts of addresses of extensions whose text is a name.
    """

    trees: Mapping[str, Mapping[str, object]]
    name_extensions: tuple[str, ...]


def compile_harvest(base: BaseRules, words: Words) -> Harvest:
    """Find the branches that lead to identifying values.

    A resource type that the base does not know is searched whole.
    """
    return Harvest(
        trees={name: _tree(base, rules) for name, rules in base.resources.items()},
        name_extensions=words.name_extensions,
    )


def _tree(base: BaseRules, rules: TypeRules) -> Mapping[str, object]:
    out: dict[str, object] = {"contained": None, "extension": None}
    for name, kind in rules.elements.items():
        if kind in _WHOLE or kind in ("identifying", "fixed-name"):
            out[name] = None
        elif base.whole.get(kind) == "reference" and name in base.actors:
            out[name] = _ACTOR
    for name, part in rules.parts.items():
        deeper = _tree(base, part)
        if len(deeper) > 2:
            out[name] = deeper
    return out


def collect(harvest: Harvest, resources: Iterable[dict[str, Json]]) -> Iterator[Value]:
    """Collect the identifying values of resources."""
    for resource in resources:
        kind = resource.get("resourceType")
        tree = harvest.trees.get(kind) if isinstance(kind, str) else None
        if tree is None:
            yield from _by_shape(resource, harvest, "", 0)
        else:
            yield from _by_tree(resource, tree, harvest, kind in ("Organization", "Location"))


def _by_tree(
    value: Mapping[str, Json], tree: Mapping[str, object], harvest: Harvest, institution: bool  # noqa: FBT001 - inner
) -> Iterator[Value]:
    for key in tree.keys() & value.keys():
        item, deeper = value[key], tree[key]
        for one in item if isinstance(item, list) else (item,):
            if isinstance(deeper, Mapping):
                if isinstance(one, dict):
                    yield from _by_tree(one, deeper, harvest, institution)
            elif institution and key in ("name", "alias") and isinstance(one, str):
                yield Value(kind=Kind.ORGANISATION, text=one)
            elif deeper is not _ACTOR or (isinstance(one, dict) and len(one) > 1):  # a bare reference names nobody
                yield from _by_shape(one, harvest, key, 0)


_NAME_KEYS = frozenset({"family", "given"})
_PLACE_KEYS = frozenset({"city", "district"})
_ADDRESS_KEYS = frozenset({"line", "postalCode"})
_NUMBER_KEYS = frozenset({"serialNumber", "lotNumber", "distinctIdentifier", "deviceIdentifier", "carrierHRF",
                          "subscriberId", "preAuthRef", "dependent"})  # fmt: skip


def _by_shape(value: Json, harvest: Harvest, key: str, depth: int) -> Iterator[Value]:
    """Search everything below a value for what has the shape of a name, address, telecom or identifier."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _by_shape(item, harvest, key, depth + 1)
    elif isinstance(value, dict):
        yield from _object(value, harvest, key, depth)
    elif isinstance(value, str):
        kind = _kind(key)
        if kind is not None:
            yield Value(kind=kind, text=value)


def _kind(key: str) -> Kind | None:
    if key in _NAME_KEYS:
        return Kind.NAME
    if key in _PLACE_KEYS:
        return Kind.PLACE
    if key in _ADDRESS_KEYS:
        return Kind.ADDRESS
    return Kind.NUMBER if key in _NUMBER_KEYS else None


def _object(value: dict[str, Json], harvest: Harvest, key: str, depth: int) -> Iterator[Value]:
    url = value.get("url")
    named = isinstance(url, str) and any(part in url for part in harvest.name_extensions)
    for name, item in value.items():
        kind = _kind_in(value, name, key, named=named) if isinstance(item, str) else None
        if kind is not None and isinstance(item, str):
            yield Value(kind=kind, text=item)
        else:
            yield from _by_shape(item, harvest, name, depth + 1)


_TELECOMS = ("phone", "fax", "email", "pager", "url", "sms", "other")


def _kind_in(value: Mapping[str, Json], name: str, key: str, *, named: bool) -> Kind | None:
    """Say what a text is by its name and by what stands beside it."""
    if name == "value" and ("system" in value or key in ("identifier", "valueIdentifier", "telecom")):
        return Kind.CONTACT if value.get("system") in _TELECOMS else Kind.NUMBER
    if name == "text" and ("family" in value or key in ("name", "valueHumanName")):
        return Kind.NAME
    if name == "text" and ("line" in value or "city" in value):
        return Kind.ADDRESS
    printed = name == "display" and "coding" not in value and "system" not in value and key != "coding"
    if printed or name == "authorString" or (name == "name" and key not in ("udi", "coding")):
        return Kind.NAME
    return Kind.NAME if named and name in ("valueString", "valueMarkdown") else None
