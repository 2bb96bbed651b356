"""A profile compiled for one walk over a resource: per resource type a tree of elements with their methods.

Guarantees: chosen once, immutable, shared by all subjects; an element without a rule has no entry and is
therefore removed; every element has a slot, so that the manifest can say what was done and which rule asked.

Example:
    >>> # plan = compile_plan(load_profile(folder, "safe-harbor"), load_words(folder))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from governance.deidentify import methods, texts
from governance.deidentify.composites import (
    apply_address,
    apply_coding,
    apply_concept,
    apply_extensions,
    apply_node,
    apply_reference,
)
from governance.deidentify.harvest import Harvest, compile_harvest
from governance.deidentify.methods import Apply
from governance.deidentify.nodes import Node, Slot
from governance.deidentify.profile import BaseRules, ExtensionRule, Method, Profile, Rule, TypeRules
from governance.deidentify.subject import Coding, CodingFacts
from governance.deidentify.words import Words

__all__ = ["Plan", "compile_plan"]

_OBJECTS = frozenset({"age", "attachment", "coding", "concept", "narrative", "reference"})
"""Kinds whose values are JSON objects: a missing one is filled as an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with every element of every resource type.

    Attributes:
        nodes: resource type to its tree; other types are removed.
        slots: what a slot number of a subject's counts means.
        harvest: where identifying values stand, per resource type.
        states: states by name and by code, folded, to their code.
        codings: what was worked out for the public codings met so far; bounded.
    """

    profile: Profile
    words: Words
    nodes: Mapping[str, Node]
    slots: tuple[Slot, ...]
    harvest: Harvest
    states: dict[str, str]
    codings: dict[Coding, CodingFacts] = field(default_factory=dict, repr=False, compare=False)


class _Compiler:
    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.base = profile.base
        self.slots: list[Slot] = []
        self.names = frozenset(_element_names(profile.base))
        self.extensions = {url: self._extension(rule) for url, rule in profile.extensions.items()}

    def resource(self, name: str) -> Node:
        node = self._node(self.base.resources[name], name)
        common = self._node(self.base.every_resource, name)
        for key, entry in common.elements.items():
            node.elements.setdefault(key, entry)
        return node

    def _node(self, rules: TypeRules, path: str) -> Node:
        node = Node(path=path, absent=(self.base.absent_url, self.base.absent_code), names=self.names)
        for name, kind in rules.elements.items():
            node.elements[name] = self._element(kind, f"{path}.{name}")
        for name, part in rules.parts.items():
            rule = self.profile.elements.get(f"{path}.{name}")
            if rule is not None and rule.method is Method.REMOVE:
                node.elements[name] = (self._slot(f"{path}.{name}", rule), None)
                continue
            child = self._node(part, f"{path}.{name}")
            node.parts[name] = child
            node.elements[name] = (self._slot(f"{path}.{name}", _DESCEND), apply_node(child))
        for name in rules.recurses:
            node.elements[name] = (self._slot(f"{path}.{name}", _DESCEND), apply_node(node))
        if self.extensions:
            node.elements["extension"] = (self._slot(f"{path}.extension", _DESCEND), apply_extensions(self.extensions))
        node.required = tuple(
            (name, self._is_object(rules, name), name in rules.repeating) for name in sorted(rules.required)
        )
        node.one_of = tuple((group, self._is_object(rules, group[0])) for group in rules.one_of)
        return node

    def _is_object(self, rules: TypeRules, name: str) -> bool:
        kind = rules.elements.get(name, "")
        return name in rules.parts or kind in self.base.types or self.base.whole.get(kind, kind) in _OBJECTS

    def _element(self, kind: str, path: str) -> tuple[int, Apply | None]:
        rule = self.profile.elements.get(path)
        if kind in self.base.types:
            rule = rule or self.profile.kinds.get(kind)
            if rule is not None and rule.method is Method.REMOVE:
                return self._slot(path, rule), None
            node = self._node(self.base.types[kind], path)
            apply = apply_address(node) if kind == "Address" else apply_node(node)
            return self._slot(path, _DESCEND), apply
        kind = self.base.whole.get(kind, kind)
        rule = rule or self.profile.rule(kind)
        return self._slot(path, rule), self._method(kind, rule.method)

    def _slot(self, path: str, rule: Rule) -> int:
        self.slots.append(Slot(path=path, rule=rule))
        return len(self.slots) - 1

    def _extension(self, rule: ExtensionRule) -> Mapping[str, Apply | Mapping[str, object] | None]:
        out: dict[str, Apply | Mapping[str, object] | None] = {
            name: self._method(kind, self.profile.rule(kind).method) for name, kind in rule.values.items()
        }
        out.update({url: dict(self._extension(nested)) for url, nested in rule.nested.items()})
        return out

    def _method(self, kind: str, method: Method) -> Apply | None:  # noqa: PLR0911, C901 - one line a method
        match method:
            case Method.REMOVE:
                return None
            case Method.KEEP | Method.RECURSE:
                return _KEEP.get(kind)
            case Method.YEAR:
                return methods.year
            case Method.SHIFT:
                return methods.shift
            case Method.GENERALISE_AGE:
                return methods.generalise_age
            case Method.GENERALISE_STATE:
                return methods.generalise_state
            case Method.GENERALISE_ZIP:
                rules = self.profile.postal_codes
                return methods.generalise_zip(rules) if rules else None
            case Method.PSEUDONYMISE:
                return _PSEUDONYMISE[kind]
            case Method.PLACEHOLDER:
                return methods.fixed_name
            case Method.SCRUB_TEXT:
                return _SCRUB[kind]
        assert_never(method)


_DESCEND = Rule(method=Method.RECURSE, name="structure", where="")

_KEEP: Mapping[str, Apply] = {
    "code": methods.keep_code,
    "flag": methods.keep_flag,
    "number": methods.keep_number,
    "unit": methods.keep_unit,
    "system": methods.keep_system,
    "time": methods.keep_time,
    "schedule": methods.keep_time,
    "samples": methods.keep_samples,
    "country": methods.keep_country,
    "coding": apply_coding,
    "concept": apply_concept,
}
_PSEUDONYMISE: Mapping[str, Apply] = {
    "identifier": methods.pseudonymise,
    "uid": methods.pseudonymise_uid,
    "reference": apply_reference,
}
_SCRUB: Mapping[str, Apply] = {
    "text": texts.scrub_text,
    "narrative": texts.scrub_narrative,
    "attachment": texts.scrub_attachment,
    "base64": texts.scrub_base64,
}


def _element_names(base: BaseRules) -> Iterator[str]:
    """Yield every element name that the base rules know, and its companion for primitive extensions."""
    waiting = [base.every_resource, *base.types.values(), *base.resources.values()]
    while waiting:
        rules = waiting.pop()
        for name in (*rules.elements, *rules.parts, *rules.recurses, *_EVERYWHERE):
            yield name
            yield f"_{name}"
        waiting.extend(rules.parts.values())
    for name in base.unruled_elements:
        yield name
        yield f"_{name}"


_EVERYWHERE = ("id", "extension", "modifierExtension", "meta", "implicitRules", "language", "text", "contained")


def compile_plan(profile: Profile, words: Words) -> Plan:
    """Compile a profile; do it once and keep the plan.

    Args:
        profile: a checked profile.
        words: word lists for finding identifying values.
    """
    compiler = _Compiler(profile)
    nodes = {name: compiler.resource(name) for name in profile.base.resources}
    states = {
        key.casefold(): code
        for listed in profile.base.states.values()
        for name, code in listed.items()
        for key in (name, code)
    }
    return Plan(
        profile=profile,
        words=words,
        nodes=nodes,
        slots=tuple(compiler.slots),
        harvest=compile_harvest(profile.base, words),
        states=states,
    )
