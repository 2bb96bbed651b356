"""Collect the identifying values of a record from the elements that FHIR has for them.

Guarantees: names, addresses, telecoms, identifiers, ids of resources and printed references to people are
collected wherever they stand, from resources of every type, ruled or not; the record is not changed.

Example:
    >>> # collect(plan.harvest, resources)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def collect(harvest: Harvest, resources: Iterable[dict[str, Json]]) -> list[Value]:
    """Collect the identifying values of resources."""
    out: list[Value] = []
    for resource in resources:
        kind = resource.get("resourceType")
        tree = harvest.trees.get(kind) if isinstance(kind, str) else None
        if tree is None:
            _by_shape(resource, harvest, "", 0, out)
        else:
            _by_tree(resource, tree, harvest, kind in ("Organization", "Location"), out)
    return out


def _by_tree(
    value: Mapping[str, Json],
    tree: Mapping[str, object],
    harvest: Harvest,
    institution: bool,  # noqa: FBT001 - inner
    out: list[Value],
) -> None:
    for key in filter(tree.__contains__, value):
        item, deeper = value[key], tree[key]
        if deeper is _ACTOR and type(item) is dict and len(item) < 2:
            continue  # most are bare references
        for one in item if type(item) is list else (item,):
            if deeper is _ACTOR:
                if type(one) is dict and len(one) > 1:  # a bare reference names nobody
                    _by_shape(one, harvest, key, 0, out)
            elif deeper is None:
                if institution and key in ("name", "alias") and type(one) is str:
                    out.append(Value(kind=Kind.ORGANISATION, text=one))
                else:
                    _by_shape(one, harvest, key, 0, out)
            elif isinstance(deeper, Mapping) and type(one) is dict:
                _by_tree(one, deeper, harvest, institution, out)


_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("family", "given"), Kind.NAME),
    **dict.fromkeys(("city", "district"), Kind.PLACE),
    **dict.fromkeys(("line", "postalCode"), Kind.ADDRESS),
    **dict.fromkeys(("serialNumber", "lotNumber", "distinctIdentifier", "deviceIdentifier", "carrierHRF",
                     "subscriberId", "preAuthRef", "dependent"), Kind.NUMBER),
}  # fmt: skip
"""Element names that say by themselves what stands there."""
_DOUBTFUL = frozenset({"value", "text", "display", "authorString", "name", "valueString", "valueMarkdown"})
"""Element names that say it together with what stands beside them; see `_kind_in`."""


def _by_shape(value: Json, harvest: Harvest, key: str, depth: int, out: list[Value]) -> None:
    """Search everything below a value for what has the shape of a name, address, telecom or identifier."""
    if depth > _DEEPEST:
        return
    if type(value) is dict:
        _object(value, harvest, key, depth, out)
    elif type(value) is list:
        for item in value:
            _by_shape(item, harvest, key, depth + 1, out)
    elif type(value) is str:
        kind = _KINDS.get(key)
        if kind is not None:
            out.append(Value(kind=kind, text=value))


def _object(value: dict[str, Json], harvest: Harvest, key: str, depth: int, out: list[Value]) -> None:
    url = value.get("url")
    named = type(url) is str and any(part in url for part in harvest.name_extensions)
    for name, item in value.items():
        if type(item) is str:
            kind = _kind_in(value, name, key, named=named) if name in _DOUBTFUL else _KINDS.get(name)
            if kind is not None:
                out.append(Value(kind=kind, text=item))
        elif type(item) is dict or type(item) is list:
            _by_shape(item, harvest, name, depth + 1, out)


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
