"""Write the JSON Schema by which editors complete and explain policy packs.

Guarantees: the schema follows from the vocabulary and from `governance.policy.schema` alone, so that a fact
added in YAML is known to editors after ``python -m governance.policy schema > policies/policy.schema.json``.
It is a help for writing; `policy check` decides (JSON Schema 2020-12 cannot say everything that we refuse).
"""

from __future__ import annotations

import json

from governance.core.facts import FactDefinition, FactType, Vocabulary
from governance.core.rules import Force, Gate
from governance.policy.schema import MEASURE_KEYS, PACK_KEYS, ROW_KEYS, RULE_KEYS, STATUSES
from governance.policy.vocabulary import CONSENT_WORDS

__all__ = ["editor_schema", "editor_schema_text"]

Json = dict[str, object]
_CONFIDENCES = ("verified", "knowledge", "unverified")
_TEXT: Json = {"type": ["string", "number"]}
_PROSE: Json = {"type": ["string", "number", "null"]}
_TEXTS: Json = {"type": ["string", "number", "boolean", "array"]}
_DAY: Json = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_CONDITION: Json = {"$ref": "#/$defs/condition"}
_REQUIRED = ("pack", "title", "force", "confidence", "as_of", "governs")
_SAYS = {
    "cite": "Where the law says it: article, section, recital.",
    "says": "The rule in one plain sentence.",
    "when": "The rule applies if all of this holds.",
    "unless": "The rule does not apply if all of this holds.",
    "must": "What has to hold where the requirement applies.",
    "needs": "Documents that must be on file, all of them.",
    "consent": "What the patient must have consented to.",
    "rests_on": "Grounds (or mechanisms) this goes with; without it, all.",
    "last_resort": "Counts only if every other pathway is closed.",
    "arguable": "A person has the last word: refer instead of deny.",
    "despite_refusal": "Citation that lets this ground stand against a patient's refusal.",
    "exception_to": "Rules of this pack that it defeats.",
    "sets_aside": "Rules of other packs that it defeats, as pack/section/id.",
    "governs": "The pack speaks for a request if all of this holds.",
    "silent_on": "Sections this law does not ask, each with the reason.",
    "territory": "The place, or places, whose law this is.",
    "force": "law binds; house is the operator's own rule; guidance adds duties and reviews only.",
    "confidence": "verified: read in the source; knowledge: known; unverified: nothing is permitted on it.",
    "sign_off": "Who approved the pack, and on which day.",
}


def editor_schema_text(vocabulary: Vocabulary) -> str:
    """Return the schema as it is committed."""
    return json.dumps(editor_schema(vocabulary), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def editor_schema(vocabulary: Vocabulary) -> Json:
    """Describe a pack.

    Args:
        vocabulary: the facts, terms, documents and duties it may name.

    Returns:
        A JSON Schema (2020-12).
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Safe Conduct policy pack",
        **_closed({key: _pack_key(key) for key in PACK_KEYS}, _REQUIRED),
        "$defs": {
            "condition": _condition(vocabulary),
            "conditions": {"type": "array", "items": _CONDITION, "minItems": 1},
            "span-end": {"anyOf": [_DAY, _closed({"earliest": _DAY, "latest": _DAY}, ("earliest", "latest"))]},
            "needs": _clause({name: _evidence(vocabulary, name) for name in sorted(vocabulary.evidence)},
                             {name: kind.means for name, kind in vocabulary.evidence.items()}),
            "duties": _clause({name: _closed(dict.fromkeys(kind.params, _TEXTS)) for name, kind in
                               sorted(vocabulary.duties.items())},
                              {name: kind.means for name, kind in vocabulary.duties.items()}),
            "consent": _closed({key: _one_or_more({"enum": sorted(vocabulary.consent.get(key, ()))})
                                for key in CONSENT_WORDS}),
            "row": _closed({key: _row_key(key) for key in ROW_KEYS}, ("cite",)),
            "measure": _closed({key: _measure_key(key) for key in MEASURE_KEYS}, ("count", "in", "per", "window")),
            **{f"rule-{gate}": _rule(gate) for gate in Gate},
            **{f"terms-{name}": {"enum": sorted(taxonomy.ancestors)} if taxonomy.ancestors else {"type": "string"}
               for name, taxonomy in sorted(vocabulary.taxonomies.items()) if name != "place"},
            "terms-place": {"anyOf": [{"enum": sorted(vocabulary.taxonomies["place"].ancestors)},
                                      {"type": "string", "pattern": "^[A-Z]{2}-[A-Z0-9]{1,3}$"}]},
        },
    }  # fmt: skip


def _closed(properties: Json, required: tuple[str, ...] = ()) -> Json:
    found: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _one_or_more(item: Json) -> Json:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _clause(kinds: dict[str, Json], means: dict[str, str]) -> Json:
    """Describe ``word``, ``{word: {...}}`` or a list of them."""
    asked = {
        name: {**kind, "type": ["object", "null"], "description": means.get(name, "")} for name, kind in kinds.items()
    }
    return _one_or_more({"anyOf": [{"enum": sorted(kinds)}, _closed(dict(asked))]})


def _evidence(vocabulary: Vocabulary, name: str) -> Json:
    kind = vocabulary.evidence[name]
    keys: Json = dict.fromkeys(sorted(kind.properties), _TEXTS)
    outcome = _one_or_more({"enum": sorted(kind.outcomes)})
    return _closed({"outcome": outcome, "max_age": _TEXT, "min_age": _TEXT, **keys})


def _condition(vocabulary: Vocabulary) -> Json:
    keys: Json = {
        "all": {"$ref": "#/$defs/conditions", "description": "All of these hold."},
        "any": {"$ref": "#/$defs/conditions", "description": "At least one of these holds."},
        "not": {**_CONDITION, "description": "This does not hold."},
        "is": {**_one_or_more({"type": "string"}), "description": "A definition of the pack; of a list, any."},
        "evidence": {"$ref": "#/$defs/needs", "description": _SAYS["needs"]},
        "consent": {"$ref": "#/$defs/consent", "description": _SAYS["consent"]},
    }
    facts = {name: {**_test(fact), "description": fact.means} for name, fact in sorted(vocabulary.facts.items())}
    return {**_closed({**keys, **facts}), "minProperties": 1}


def _test(fact: FactDefinition) -> Json:
    if fact.params:
        return {"type": "object"}
    match fact.type:
        case FactType.YES_NO:
            return {"type": "boolean"}
        case FactType.NUMBER:
            return _closed({key: {"type": "number"} for key in ("above", "at_least", "below", "at_most")})
        case FactType.DATE:
            return _closed(dict.fromkeys(("before", "from"), _DAY))
        case FactType.ID:
            return _set_test({"type": "string"})
        case _:
            term: Json = {"enum": sorted(fact.values)} if fact.values else {"$ref": f"#/$defs/terms-{fact.taxonomy}"}
            return _set_test(term)


def _set_test(term: Json) -> Json:
    table: Json = {"anyOf": [*(_alternatives(_one_or_more(term))), {"type": "string"}]}
    operators: Json = {"in": table, "none": table, "only": _one_or_more(term)}
    return {"anyOf": [*_alternatives(_one_or_more(term)), _closed(operators)]}


def _alternatives(schema: Json) -> list[object]:
    found = schema["anyOf"]
    return found if isinstance(found, list) else [found]


def _described(key: str, schema: Json) -> Json:
    return {**schema, "description": _SAYS[key]} if key in _SAYS else schema


def _standing_key(key: str) -> Json | None:
    found: dict[str, Json] = {
        "status": {"enum": list(STATUSES)},
        "confidence": {"enum": list(_CONFIDENCES)},
        "as_of": _DAY,
        "review_by": _DAY,
        "in_force": _closed({"from": {"$ref": "#/$defs/span-end"}, "until": {"$ref": "#/$defs/span-end"}}),
        "note": _PROSE,
        "cite": _TEXT,
        "when": _CONDITION,
        "unless": _CONDITION,
    }
    return found.get(key)


def _pack_key(key: str) -> Json:
    place: Json = {"$ref": "#/$defs/terms-place"}
    found: dict[str, Json] = {
        "territory": _one_or_more(place),
        "force": {"enum": [str(force) for force in Force]},
        "sign_off": _closed({"by": _PROSE, "on": {"anyOf": [_DAY, {"type": "null"}]}}, ("by", "on")),
        "governs": _CONDITION,
        "definitions": {"type": "object", "additionalProperties": _CONDITION},
        "tables": {"type": "object", "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
        "measures": {"type": "object", "additionalProperties": {"$ref": "#/$defs/measure"}},
        "silent_on": {"type": "object", "additionalProperties": _TEXT},
        **{str(gate): {"type": "array", "items": {"$ref": f"#/$defs/rule-{gate}"}, "minItems": 1} for gate in Gate},
    }
    return _described(key, found.get(key) or _standing_key(key) or _TEXT)


def _row_key(key: str) -> Json:
    found: dict[str, Json] = {
        "place": {"$ref": "#/$defs/terms-place"},
        "places": {"type": "array", "items": {"$ref": "#/$defs/terms-place"}},
        "terms": {"type": "array", "items": {"type": "string"}},
        "from": {"$ref": "#/$defs/span-end"},
        "until": {"$ref": "#/$defs/span-end"},
    }
    return _described(key, found.get(key) or _standing_key(key) or _TEXT)


def _measure_key(key: str) -> Json:
    found: dict[str, Json] = {"count": {"enum": ["persons"]}, "in": _CONDITION, "per": _one_or_more({"type": "string"})}
    return found.get(key) or _standing_key(key) or _TEXT


def _rule(gate: Gate) -> Json:
    argued: Json = {"who": _TEXT, "within": _TEXT, "break_glass": {"type": "boolean"}, "says": _TEXT}
    if gate in (Gate.GROUND, Gate.MECHANISM):
        argued["point"] = _CONDITION
    names = _one_or_more({"type": "string"})
    found: dict[str, Json] = {
        "must": _CONDITION, "needs": {"$ref": "#/$defs/needs"}, "consent": {"$ref": "#/$defs/consent"},
        "duties": {"$ref": "#/$defs/duties"}, "rests_on": names, "exception_to": names, "sets_aside": names,
        "last_resort": {"type": "boolean"}, "arguable": _closed(argued, ("who",)),
    }  # fmt: skip
    keys: Json = {key: _described(key, found.get(key) or _standing_key(key) or _TEXT) for key in RULE_KEYS[gate]}
    return _closed(keys, ("id", "cite"))
