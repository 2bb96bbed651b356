"""Profiles: what is done with each kind of element, read from YAML and typed.

Guarantees: every word is known (a misspelt kind, method, element or resource is a fault with its place, all
faults at once); a kind that no rule names is removed; a method is never applied to a kind it was not made
for. The digest covers every file that the profile is made of.

Example:
    >>> # load_profile(Path("policies/deidentification"), "safe-harbor").rule("date").method is Method.YEAR
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from governance.deidentify.documents import Document, Tree, read_document
from governance.errors import Diagnostic, InputError

__all__ = [
    "AgeRules", "BaseRules", "Codes", "ExtensionRule", "Method", "PostalCodeRules", "Profile", "Rule", "TypeRules",
    "load_profile",
]  # fmt: skip


class Method(StrEnum):
    """What can be done with an element."""

    KEEP = "keep"
    REMOVE = "remove"
    PSEUDONYMISE = "pseudonymise"
    YEAR = "year"
    SHIFT = "shift"
    GENERALISE_AGE = "generalise-age"
    GENERALISE_ZIP = "generalise-zip"
    GENERALISE_STATE = "generalise-state"
    SCRUB_TEXT = "scrub-text"
    PLACEHOLDER = "placeholder"
    RECURSE = "recurse"
    """Apply the rules of the element's own parts; what data types and backbone elements do by default."""


class Codes(StrEnum):
    """What pseudonyms and ids are computed from."""

    FROM_VALUES = "from-values"
    """The replaced value, so that the same value has the same pseudonym."""
    FROM_ORDINALS = "from-ordinals"
    """A running number, so that the code says nothing that was derived from the person."""


_LEAF = frozenset({Method.KEEP, Method.REMOVE})
_METHODS: Mapping[str, frozenset[Method]] = {
    "date": frozenset({Method.REMOVE, Method.YEAR, Method.SHIFT}),
    "instant": frozenset({Method.REMOVE, Method.SHIFT}),
    "age": frozenset({Method.REMOVE, Method.GENERALISE_AGE}),
    "text": frozenset({Method.REMOVE, Method.SCRUB_TEXT}),
    "narrative": frozenset({Method.REMOVE, Method.SCRUB_TEXT}),
    "attachment": frozenset({Method.REMOVE, Method.SCRUB_TEXT}),
    "base64": frozenset({Method.REMOVE, Method.SCRUB_TEXT}),
    "reference": frozenset({Method.REMOVE, Method.PSEUDONYMISE}),
    "identifying": frozenset({Method.REMOVE}),
    "identifier": frozenset({Method.REMOVE, Method.PSEUDONYMISE}),
    "uid": frozenset({Method.REMOVE, Method.PSEUDONYMISE}),
    "fixed-name": frozenset({Method.REMOVE, Method.PLACEHOLDER}),
    "city": frozenset({Method.REMOVE}),
    "state": frozenset({Method.REMOVE, Method.GENERALISE_STATE}),
    "postal-code": frozenset({Method.REMOVE, Method.GENERALISE_ZIP}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A method and who asked for it.

    Attributes:
        name: how the manifest names the rule: ``kinds.date``, ``elements.Patient.name`` or ``no rule``.
        where: ``file:line:col``.
    """

    method: Method
    name: str
    where: str


NO_RULE = Rule(method=Method.REMOVE, name="no rule", where="")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRules:
    """A data type, resource or backbone element: what its elements are.

    Attributes:
        elements: element to its kind or data type.
        required: elements FHIR requires.
        repeating: required elements that repeat.
        one_of: groups of which FHIR requires one.
        parts: elements with elements of their own.
        recurses: elements that hold this same part again.
    """

    elements: Mapping[str, str]
    required: frozenset[str] = frozenset()
    repeating: frozenset[str] = frozenset()
    one_of: tuple[tuple[str, ...], ...] = ()
    parts: Mapping[str, TypeRules] = field(default_factory=dict)
    recurses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRules:
    """What the elements of FHIR R4 are, the same for every profile."""

    kinds: frozenset[str]
    types: Mapping[str, TypeRules]
    whole: Mapping[str, str]
    every_resource: TypeRules
    resources: Mapping[str, TypeRules]
    resource_types: frozenset[str]
    unruled_elements: frozenset[str]
    compartment: Mapping[str, str]
    actors: frozenset[str]
    public_systems: tuple[str, ...]
    absent_url: str
    absent_code: str
    states: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRule:
    """An extension that may stay: its value elements and its nested extensions by URL."""

    values: Mapping[str, str]
    nested: Mapping[str, ExtensionRule]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeRules:
    """Ages: the highest that may be told (years), and which observations are ages (``system|code``)."""

    highest: int
    observations: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalCodeRules:
    """Postal codes: whose, how many digits stay, and which beginnings are withheld."""

    country: str
    digits: int
    withheld: str
    blocked: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way of de-identifying, complete and checked.

    Attributes:
        meets: standards that it claims and the output check establishes.
        kinds: kind or data type to its rule.
        elements: ``Type.element`` to its rule; goes before the kind's.
        dates: what dates may be in the output: ``year`` or ``shifted``.
        absent: elements that may not be in the output.
        patterns: name and shape of values that may not be printed in the output.
        text_allowed: scrubbed text may cross at all.
        digest: ``sha256:`` over the digests of its files.
    """

    id: str
    title: str
    cite: str
    base: BaseRules
    meets: tuple[str, ...]
    codes: Codes
    label: tuple[str, str] | None
    kinds: Mapping[str, Rule]
    elements: Mapping[str, Rule]
    extensions: Mapping[str, ExtensionRule]
    ages: AgeRules | None
    postal_codes: PostalCodeRules | None
    text_allowed: bool
    standards: tuple[str, ...]
    dates: str
    absent: tuple[str, ...]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    digest: str

    def rule(self, kind: str) -> Rule:
        """Return the rule of a kind; without one it is removed."""
        return self.kinds.get(kind, NO_RULE)


class _Reader:
    """Takes values out of a document and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Diagnostic] = []

    def fault(self, message: str, *path: str | int, hint: str | None = None) -> None:
        self.faults.append(Diagnostic(where=self.document.place(*path), message=message, hint=hint))

    def at(self, *path: str) -> Tree:
        value: Tree = self.document.value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def mapping(self, *path: str) -> Mapping[str, Tree]:
        value = self.at(*path)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(f"`{'.'.join(path)}` must be a mapping", *path)
            return {}
        return value

    def words(self, *path: str) -> tuple[str, ...]:
        value = self.at(*path)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str | int) for item in value):
            self.fault(f"`{'.'.join(path)}` must be a list of words", *path)
            return ()
        return tuple(str(item) for item in value)

    def word(self, *path: str) -> str:
        value = self.at(*path)
        if not isinstance(value, str) or not value:
            self.fault(f"`{'.'.join(path)}` must be a word", *path)
            return ""
        return value

    def number(self, *path: str) -> int:
        value = self.at(*path)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault(f"`{'.'.join(path)}` must be a whole number", *path)
            return 0
        return value


def _type_rules(reader: _Reader, tree: Tree, known: frozenset[str], path: tuple[str, ...]) -> TypeRules:
    """Read `kind: [elements]` with parts."""
    elements: dict[str, str] = {}
    required: set[str] = set()
    repeating: set[str] = set()
    one_of: tuple[tuple[str, ...], ...] = ()
    parts: dict[str, TypeRules] = {}
    recurses: frozenset[str] = frozenset()
    if not isinstance(tree, Mapping):
        reader.fault("the elements of a type must be a mapping", *path)
        return TypeRules(elements={})
    for kind, names in tree.items():
        if kind == "parts" and isinstance(names, Mapping):
            for part, inner in names.items():
                _mark(part, required, repeating)
                parts[part.rstrip("!*")] = _type_rules(reader, inner, known, (*path, "parts", part))
        elif kind == "one_of" and isinstance(names, list):
            one_of = tuple(tuple(str(item) for item in group) for group in names if isinstance(group, list))
        elif kind == "recurse" and isinstance(names, list):
            recurses = frozenset(str(name) for name in names)
        elif kind not in known or not isinstance(names, list):
            reader.fault(f"`{kind}` is no kind and no data type", *path, kind, hint="see `kinds` and `types`")
        else:
            for name in names:
                _mark(str(name), required, repeating)
                elements[str(name).rstrip("!*")] = kind
    return TypeRules(
        elements=elements,
        required=frozenset(required),
        repeating=frozenset(repeating),
        one_of=one_of,
        parts=parts,
        recurses=recurses,
    )


def _mark(name: str, required: set[str], repeating: set[str]) -> None:
    bare = name.rstrip("!*")
    if name != bare:
        required.add(bare)
    if name.endswith("*"):
        repeating.add(bare)


def _base(reader: _Reader) -> BaseRules:
    kinds = frozenset(reader.mapping("kinds"))
    whole = {name: str(kind) for name, kind in reader.mapping("whole").items()}
    known = kinds | frozenset(whole) | frozenset(reader.mapping("types"))

    def section(name: str) -> Mapping[str, TypeRules]:
        return {key: _type_rules(reader, tree, known, (name, key)) for key, tree in reader.mapping(name).items()}

    return BaseRules(
        kinds=kinds,
        types=section("types"),
        whole=whole,
        every_resource=_type_rules(reader, reader.at("every_resource"), known, ("every_resource",)),
        resources=section("resources"),
        resource_types=frozenset(reader.words("resource_types")),
        unruled_elements=frozenset(reader.words("unruled_elements")),
        compartment={
            resource: element
            for element in reader.mapping("compartment")
            for resource in reader.words("compartment", element)
        },
        actors=frozenset(reader.words("actors")),
        public_systems=reader.words("public_systems"),
        absent_url=reader.word("absent", "url"),
        absent_code=reader.word("absent", "code"),
        states={
            place: {name: reader.word("states", place, name) for name in reader.mapping("states", place)}
            for place in reader.mapping("states")
        },
    )


def _rule(reader: _Reader, kind: str, *path: str) -> Rule:
    """Read one method, refusing it where the kind does not know it."""
    word = reader.at(*path)
    try:
        method = Method(str(word))
    except ValueError:
        reader.fault(f"unknown method `{word}`", *path, hint="one of " + ", ".join(Method))
        return NO_RULE
    if kind and method is not Method.REMOVE and method not in _METHODS.get(kind, _LEAF):
        reader.fault(f"`{method}` cannot be applied to `{kind}`", *path)
        return NO_RULE
    return Rule(method=method, name=".".join(path[1:]), where=reader.document.place(*path))


def _kinds(reader: _Reader, base: BaseRules) -> Mapping[str, Rule]:
    rules: dict[str, Rule] = {}
    for name in reader.mapping("fhir", "kinds"):
        if name in base.kinds:
            rules[name] = _rule(reader, name, "fhir", "kinds", name)
        elif name in base.types:
            rules[name] = _rule(reader, "", "fhir", "kinds", name)
        else:
            reader.fault(f"unknown kind `{name}`", "fhir", "kinds", name)
    return rules


def _kind_of(base: BaseRules, path: Sequence[str]) -> str | None:
    """Return the kind of ``Type.element.element``, ``""`` for something with parts, None if unknown."""
    rules = base.resources.get(path[0]) or base.types.get(path[0])
    for n, name in enumerate(path[1:], start=1):
        if rules is None:
            return None
        if name in rules.parts:
            rules = rules.parts[name]
            continue
        kind = rules.elements.get(name)
        if kind is None:
            return None
        if n == len(path) - 1:
            return "" if kind in base.types else base.whole.get(kind, kind)
        rules = base.types.get(kind)
    return ""


def _elements(reader: _Reader, base: BaseRules) -> Mapping[str, Rule]:
    rules: dict[str, Rule] = {}
    for name in reader.mapping("fhir", "elements"):
        kind = _kind_of(base, name.split("."))
        if kind is None:
            reader.fault(f"unknown element `{name}`", "fhir", "elements", name)
            continue
        if kind == "" and reader.at("fhir", "elements", name) == Method.KEEP:
            continue  # something with parts is kept by keeping its parts
        rules[name] = _rule(reader, kind, "fhir", "elements", name)
    return rules


def _extension(reader: _Reader, base: BaseRules, *path: str) -> ExtensionRule:
    values: dict[str, str] = {}
    nested: dict[str, ExtensionRule] = {}
    for key in reader.mapping(*path):
        if key.startswith("value"):
            kind = reader.word(*path, key)
            if kind not in base.kinds:
                reader.fault(f"unknown kind `{kind}`", *path, key)
            values[key] = kind
        else:
            nested[key] = _extension(reader, base, *path, key)
    return ExtensionRule(values=values, nested=nested, where=reader.document.place(*path))


def _ages(reader: _Reader) -> AgeRules | None:
    if reader.at("ages") is None:
        return None
    codes: set[str] = set()
    listed = reader.at("ages", "observations")
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("codes"), list):
            codes.update(f"{item.get('system')}|{code}" for code in _items(item["codes"]))
    return AgeRules(highest=reader.number("ages", "highest"), observations=frozenset(codes))


def _items(tree: Tree) -> Iterable[Tree]:
    return tree if isinstance(tree, list) else ()


def _postal_codes(reader: _Reader) -> PostalCodeRules | None:
    if reader.at("postal_codes") is None:
        return None
    blocked = frozenset(reader.words("postal_codes", "too_few")) | frozenset(
        reader.words("postal_codes", "no_residents")
    )
    return PostalCodeRules(
        country=reader.word("postal_codes", "country"),
        digits=reader.number("postal_codes", "digits"),
        withheld=reader.word("postal_codes", "withheld"),
        blocked=blocked,
    )


def _patterns(reader: _Reader) -> tuple[tuple[str, re.Pattern[str]], ...]:
    listed = reader.at("checks", "patterns")
    out: list[tuple[str, re.Pattern[str]]] = []
    for n, item in enumerate(_items(listed)):
        if not isinstance(item, Mapping) or not isinstance(item.get("shape"), str):
            reader.fault("a pattern has a name and a shape", "checks", "patterns", n)
            continue
        try:
            out.append((str(item.get("name")), re.compile(str(item["shape"]))))
        except re.error as fault:
            reader.fault(f"not a regular expression: {fault.msg}", "checks", "patterns", n, "shape")
    return tuple(out)


_SECTIONS = {"profile", "title", "cite", "extends", "claims", "fhir", "ages", "postal_codes", "text", "checks"}


def load_profile(folder: Path, name: str) -> Profile:
    """Read a profile and the base it extends.

    Args:
        folder: ``policies/deidentification``.
        name: profile id.

    Raises:
        InputError: with every fault found, each with its place.
    """
    document = read_document(folder / f"{name}.yaml")
    reader = _Reader(document)
    extends = reader.word("extends")
    base_document = read_document(folder / f"{extends}.base.yaml")
    base_reader = _Reader(base_document)
    base = _base(base_reader)
    for key in reader.mapping():
        if key not in _SECTIONS:
            reader.fault(f"unknown section `{key}`", key)
    if reader.word("profile") != name:
        reader.fault("the profile's id is not its file's name", "profile")
    profile = _profile(reader, base, f"{document.digest}\n{base_document.digest}")
    faults = (*reader.faults, *base_reader.faults)
    if faults:
        raise InputError(f"profile `{name}` has faults", where=document.name, diagnostics=faults)
    return profile


def _profile(reader: _Reader, base: BaseRules, digests: str) -> Profile:
    codes = reader.word("fhir", "codes")
    if codes not in set(Codes):
        reader.fault(f"unknown way of coding `{codes}`", "fhir", "codes", hint="one of " + ", ".join(Codes))
        codes = Codes.FROM_ORDINALS.value
    dates = reader.word("checks", "dates")
    if dates not in {"year", "shifted"}:
        reader.fault("dates are checked to be `year` or `shifted`", "checks", "dates")
    standards = reader.words("checks", "standards")
    meets = reader.words("claims", "sets", "data.meets")
    for standard in sorted(set(meets) - set(standards)):
        reader.fault(f"`{standard}` is claimed but not checked", "claims", "sets", "data.meets")
    label = reader.mapping("fhir", "label")
    return Profile(
        id=reader.word("profile"),
        title=reader.word("title"),
        cite=reader.word("cite"),
        base=base,
        meets=meets,
        codes=Codes(codes),
        label=(str(label["system"]), str(label["code"])) if {"system", "code"} <= set(label) else None,
        kinds=_kinds(reader, base),
        elements=_elements(reader, base),
        extensions={
            url: _extension(reader, base, "fhir", "extensions", url) for url in reader.mapping("fhir", "extensions")
        },
        ages=_ages(reader),
        postal_codes=_postal_codes(reader),
        text_allowed=reader.at("text", "allowed") is True,
        standards=standards,
        dates=dates,
        absent=reader.words("checks", "absent"),
        patterns=_patterns(reader),
        digest="sha256:" + hashlib.sha256(digests.encode()).hexdigest(),
    )
