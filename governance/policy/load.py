"""Load a folder of policies: read, check, compile, and name the result by its content.

Guarantees: a folder either loads as a whole or not at all, with every fault found; the digest depends on what
the files say and on the level asked for, never on their names, their order, comments or layout.

Which files are read:

- ``vocabulary/*.yaml``;
- ``jurisdictions/**/*.yaml``, ``organisation/**/*.yaml``, ``frameworks/**/*.yaml``: packs (``*.cases.yaml``
  beside them are cases and no part of the set);
- ``jurisdictions/none.yaml``: places without a law of their own, a list of {place, cite, from?, until?, note?};
- ``deidentification/*.yaml``: profiles, of which ``profile``, ``title`` and ``claims`` are read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from governance.core.facts import FactDefinition, FactType, Interval, Value, Vocabulary
from governance.core.rules import SEMANTICS_VERSION, Confidence, PlaceEntry, PolicySet, Profile
from governance.errors import Diagnostic
from governance.policy.clauses import check_term, check_word
from governance.policy.compile import compile_packs
from governance.policy.lint import lint
from governance.policy.read import Mapping as MappingNode
from governance.policy.read import Node, Scalar, Sequence, read_yaml
from governance.policy.schema import PackDocument, read_pack
from governance.policy.shape import Faults, Fields, TooManyFaultsError, did_you_mean, scalars, timespan
from governance.policy.vocabulary import read_vocabulary

__all__ = ["CASES", "Loaded", "PackFile", "canonical", "load_policies", "read_value"]

CASES = ".cases.yaml"
_PACK_FOLDERS = ("jurisdictions", "organisation", "frameworks")
_NONE = Path("jurisdictions/none.yaml")
_AS_IS = "as-is"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """A pack and the file it stands in."""

    path: Path
    name: str
    document: PackDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading a folder gave.

    Attributes:
        policies: the compiled set, or None if there is any error.
        diagnostics: every fault and warning, by file, line and column.
        packs: the packs that could be read, by id.
        vocabulary: as far as it could be read.
    """

    policies: PolicySet | None
    diagnostics: tuple[Diagnostic, ...]
    packs: tuple[PackFile, ...]
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The trees of a folder by what they are."""

    vocabulary: tuple[Node, ...]
    packs: tuple[tuple[Path, str, Node], ...]
    profiles: tuple[Node, ...]
    none: Node | None


def load_policies(folder: Path, *, level: Confidence) -> Loaded:
    """Load every policy of a folder.

    Args:
        folder: the lawyers' room (``policies/``).
        level: how well law must be known for a permit to rest on it; an operator's choice, never a default.

    Returns:
        The compiled set, or the faults that keep it from being used.

    Raises:
        ValueError: if the level is UNVERIFIED; nothing may ever be permitted on unverified law.
    """
    if level is Confidence.UNVERIFIED:
        raise ValueError("no permit may rest on unverified law: choose knowledge, verified or signed-off")
    faults = Faults()
    try:
        return _load(folder, level, faults)
    except TooManyFaultsError:
        nothing = Vocabulary(facts={}, taxonomies={}, evidence={}, duties={})
        return Loaded(policies=None, diagnostics=faults.all(), packs=(), vocabulary=nothing)


def _load(folder: Path, level: Confidence, faults: Faults) -> Loaded:
    files = _read(folder, faults)
    vocabulary = read_vocabulary(files.vocabulary, faults)
    packs: dict[str, PackFile] = {}
    for path, name, tree in files.packs:
        document = read_pack(tree, faults)
        if document is None:
            continue
        if document.id in packs:
            place = document.node.get("pack") or document.node
            faults.error(place, f"two packs `{document.id}`", f"the other is {packs[document.id].name}")
            continue
        packs[document.id] = PackFile(path=path, name=name, document=document)
    documents = {name: packs[name].document for name in sorted(packs)}
    compiled = compile_packs(documents, vocabulary, level, faults)
    lint(tuple(documents.values()), faults)
    profiles = _profiles(files.profiles, vocabulary, faults)
    none = _no_regime(files.none, vocabulary, faults)
    found = tuple(packs[name] for name in sorted(packs))
    if faults.failed:
        return Loaded(policies=None, diagnostics=faults.all(), packs=found, vocabulary=vocabulary)
    policies = PolicySet(
        digest=_digest(files, level), vocabulary=vocabulary, regimes=compiled.regimes, profiles=profiles,
        measures=compiled.measures, ownership=compiled.ownership, no_regime=none, level=level,
    )  # fmt: skip
    return Loaded(policies=policies, diagnostics=faults.all(), packs=found, vocabulary=vocabulary)


def _read(folder: Path, faults: Faults) -> _Files:
    if not folder.is_dir():
        faults.error(f"{folder}:1:1", "no such folder", "name the folder that holds `vocabulary/` and `jurisdictions/`")
    elif not (folder / "vocabulary").is_dir():
        faults.error(f"{folder}:1:1", "no `vocabulary` folder", "name the folder that holds `vocabulary/`")

    def trees(paths: Iterable[Path]) -> list[tuple[Path, str, Node]]:
        found = []
        for path in sorted(paths):
            name = (Path(folder.name) / path.relative_to(folder)).as_posix()
            tree, diagnostics = read_yaml(path, name)
            faults.extend(diagnostics)
            if tree is not None:
                found.append((path, name, tree))
        return found

    packs = (path for part in _PACK_FOLDERS for path in (folder / part).rglob("*.yaml")
             if not path.name.endswith(CASES) and path != folder / _NONE)  # fmt: skip
    profiles = trees((folder / "deidentification").glob("*.yaml"))
    vocabulary = trees((folder / "vocabulary").glob("*.yaml"))
    for _, _, tree in (*profiles, *vocabulary):
        _ascii_keys(tree, faults)
    none = trees([folder / _NONE] if (folder / _NONE).exists() else [])
    return _Files(
        vocabulary=tuple(tree for _, _, tree in vocabulary),
        packs=tuple(trees(packs)),
        profiles=tuple(tree for _, _, tree in profiles),
        none=none[0][2] if none else None,
    )


def _ascii_keys(tree: Node, faults: Faults) -> None:
    """Refuse keys that canonical JSON has no single order for; a pack's keys are all checked by name."""
    match tree:
        case MappingNode(entries=entries):
            for key, value in entries:
                if not key.text.isascii():
                    faults.error(key, f"key `{key.text}` is not ASCII", "use letters without accents")
                _ascii_keys(value, faults)
        case Sequence(items=items):
            for item in items:
                _ascii_keys(item, faults)
        case _:
            pass


def _profiles(trees: Iterable[Node], vocabulary: Vocabulary, faults: Faults) -> dict[str, Profile]:
    found = {_AS_IS: Profile(id=_AS_IS, sets={})}
    for tree in trees:
        if not isinstance(tree, MappingNode) or tree.get("profile") is None:
            continue
        known = tuple(key.text for key, _ in tree.entries)
        fields = Fields(tree, faults, known=(*known, "claims"), what="profile")
        name = fields.text("profile")
        if name in found:
            faults.error(tree.get("profile") or tree, f"two profiles `{name}`")
            continue
        claims = fields.mapping("claims", required=True)
        if name and claims is not None:
            found[name] = _claims(name, claims, vocabulary, faults)
    return dict(sorted(found.items()))


def _claims(name: str, node: MappingNode, vocabulary: Vocabulary, faults: Faults) -> Profile:
    fields = Fields(node, faults, known=("sets", "removes_categories"), what="`claims`")
    sets: dict[str, Value] = {}
    given = fields.mapping("sets")
    for key, value in given.entries if given else ():
        definition = vocabulary.facts.get(key.text)
        if definition is None:
            faults.error(key, f"unknown fact `{key.text}`", did_you_mean(key.text, vocabulary.facts))
        elif definition.of != "part":
            faults.error(key, f"fact `{key.text}` is not of a part of the data: no profile can change it")
        elif (read := read_value(definition, value, vocabulary, faults)) is not None:
            sets[key.text] = read
    removed = fields.words("removes_categories")
    for category in removed:
        check_word(category, "category", vocabulary, faults)
    return Profile(id=name, sets=sets, removes_categories=frozenset(category.text for category in removed))


def read_value(definition: FactDefinition, node: Node, vocabulary: Vocabulary, faults: Faults) -> Value | None:
    """Read a fact's value as profiles and cases give it.

    Args:
        definition: the fact.
        node: true or false, a word, a list of words (possibly empty), a number or [low, high], a day.
        vocabulary: where its terms lie.
        faults: collects what is wrong.

    Returns:
        The value, or None where it does not fit.
    """
    words = scalars(node)
    single = node if isinstance(node, Scalar) else None
    read: Value | None = None
    match definition.type:
        case FactType.YES_NO if single is not None and isinstance(single.value, bool):
            read = single.value
        case FactType.DATE if single is not None and isinstance(single.value, date):
            read = single.value
        case FactType.NUMBER:
            read = _interval(node)
        case FactType.TERMS | FactType.PLACES if words is not None:
            read = frozenset(check_term(word, definition, vocabulary, faults) for word in words)
        case FactType.TERM | FactType.PLACE if single is not None and words:
            read = check_term(single, definition, vocabulary, faults)
        case FactType.ID if single is not None and words:
            read = single.text
        case _:
            pass
    if read is None:
        faults.error(node, f"not a value of fact `{definition.id}`, which is a {definition.type}")
    return read


def _interval(node: Node) -> Interval | None:
    """Read ``n`` or ``[low, high]``; a null high end is open."""
    ends = node.items if isinstance(node, Sequence) else (node, node)
    if len(ends) != 2:
        return None
    numbers: list[float] = []
    for end, empty in zip(ends, (None, float("inf")), strict=True):
        value = end.value if isinstance(end, Scalar) else "none"
        number = empty if value is None else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
        numbers.append(float(number))
    return Interval(*numbers) if numbers[0] <= numbers[1] else None


def _no_regime(tree: Node | None, vocabulary: Vocabulary, faults: Faults) -> tuple[PlaceEntry, ...]:
    if tree is None:
        return ()
    if not isinstance(tree, Sequence):
        faults.error(tree, "this file must be a list", "write `- {place: XX, cite: ..., from: ...}`")
        return ()
    found: list[PlaceEntry] = []
    for item in tree.items:
        if not isinstance(item, MappingNode):
            faults.error(item, "an entry must be a mapping", "write `- {place: XX, cite: ..., from: ...}`")
            continue
        fields = Fields(item, faults, known=("place", "cite", "from", "until", "note"), what="entry")
        place = fields.scalar("place", required=True)
        if place is not None:
            check_word(place, "place", vocabulary, faults)
            found.append(PlaceEntry(place=place.text, cite=fields.text("cite", required=True),
                                    span=timespan(fields), note=fields.text("note")))  # fmt: skip
    return tuple(sorted(found, key=lambda entry: (entry.place, entry.cite, str(entry.span))))


def canonical(node: Node, *, ordered: bool = False) -> object:
    """Turn a tree into values whose JSON is the same for files that say the same.

    Lists say "any of", "all of" or "these", never "in this order", so they are sorted by their own JSON; only
    ``strength`` and profiles, whose steps follow one another, keep theirs. Days and numbers with a fraction
    become text, since canonical JSON has neither (docs/formats.md section 1).

    Args:
        node: the tree.
        ordered: keep the order of lists.

    Returns:
        Mappings, lists, strings, integers, booleans and None.
    """
    if isinstance(node, MappingNode):
        return {key.text: canonical(value, ordered=ordered or key.text == "strength") for key, value in node.entries}
    if isinstance(node, Sequence):
        items = [canonical(item, ordered=ordered) for item in node.items]
        return items if ordered else sorted(items, key=_json)
    if isinstance(node.value, date):
        return node.value.isoformat()
    if isinstance(node.value, float):
        return format(Decimal(repr(node.value)), "f")
    return node.value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(files: _Files, level: Confidence) -> str:
    """Hash the canonical JSON of everything that was parsed (docs/formats.md section 1)."""
    return "sha256:" + hashlib.sha256(_canonical_set(files, level).encode("utf-8")).hexdigest()


def _canonical_set(files: _Files, level: Confidence) -> str:
    def several(trees: Iterable[Node], *, ordered: bool = False) -> list[object]:
        return sorted((canonical(tree, ordered=ordered) for tree in trees), key=_json)

    document = {
        "semantics": SEMANTICS_VERSION,
        "level": level.name.lower().replace("_", "-"),
        "vocabulary": _joined(files.vocabulary),
        "packs": several(tree for _, _, tree in files.packs),
        "profiles": several(files.profiles, ordered=True),
        "none": canonical(files.none) if files.none is not None else [],
    }
    return _json(document)


def _joined(trees: Iterable[Node]) -> dict[str, list[object]]:
    """Join the vocabulary's files by section, so that it does not matter how it is split."""
    sections: dict[str, list[object]] = {}
    for tree in trees:
        found = canonical(tree)
        for key, value in found.items() if isinstance(found, dict) else ():
            if isinstance(value, list):
                sections.setdefault(key, []).extend(value)
            elif isinstance(value, dict):
                sections.setdefault(key, []).extend({name: inner} for name, inner in value.items())
            else:
                sections.setdefault(key, []).append(value)
    return {key: sorted(values, key=_json) for key, values in sorted(sections.items())}
