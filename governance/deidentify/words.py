"""The word lists that the search for identifying values uses, read once from ``words.yaml``.

Guarantees: every list is folded as the text is (case, accents), so that comparisons are plain set lookups.

Example:
    >>> fold("Müller") == fold("MÜLLER") == "muller"
    True
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from governance.deidentify.documents import Tree, read_document
from governance.errors import InputError

__all__ = ["Words", "fold", "load_words", "spellings"]


class _Folding(dict[int, str]):
    """A translation table that fills itself: one character to one character without case and accent."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        base = unicodedata.normalize("NFKD", character)[0].casefold()[:1]
        self[code] = base = base or character
        return base


_FOLDING = _Folding({ord("ø"): "o", ord("Ø"): "o", ord("ł"): "l", ord("Ł"): "l", ord("đ"): "d", ord("Đ"): "d",
                     0x131: "i", ord("æ"): "a", ord("Æ"): "a", ord("œ"): "o", ord("Œ"): "o"})  # fmt: skip
_SPELLINGS = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe", "þ": "th"}


def fold(text: str) -> str:
    """Take case and accents away, character by character: the length stays."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def spellings(text: str) -> frozenset[str]:
    """Return the folded text and how it is spelled where its letters are missing (Müller, Mueller)."""
    lower = text.lower()
    if text.isascii():
        return frozenset({lower})
    spelled = "".join(_SPELLINGS.get(character, character) for character in lower)
    return frozenset({fold(text), fold(spelled)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Word lists over all languages, folded.

    Attributes:
        months: month name to its number; ``month_names`` gives a language's full names back.
        ages: patterns of words with ``#`` for the number.
    """

    titles: frozenset[str]
    capital_titles: frozenset[str]
    name_cues: frozenset[str]
    particles: frozenset[str]
    conjunctions: frozenset[str]
    common: frozenset[str]
    months: Mapping[str, int]
    month_names: Mapping[str, tuple[tuple[str, ...], ...]]
    date_joints: frozenset[str]
    day_first: frozenset[str]
    ages: tuple[tuple[str, ...], ...]
    streets_before: frozenset[str]
    streets_after: frozenset[str]
    street_suffixes: tuple[str, ...]
    number_cues: frozenset[str]
    language_words: Mapping[str, frozenset[str]]
    name_extensions: tuple[str, ...]
    recognisers: tuple[str, ...]
    recognisers_at_least: float
    phone_regions: tuple[str, ...]


def _list(tree: Tree) -> tuple[str, ...]:
    if isinstance(tree, Mapping):
        return tuple(word for part in tree.values() for word in _list(part))
    return tuple(str(word) for word in tree) if isinstance(tree, list) else ()


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(word) for word in words)


@cache
def load_words(folder: Path) -> Words:
    """Read ``words.yaml`` of a folder of profiles.

    Raises:
        InputError: it is missing or unreadable.
    """
    document = read_document(folder / "words.yaml")
    tree = document.value
    if not isinstance(tree, Mapping):
        raise InputError("the word lists must be a mapping", where=document.name)
    months = tree.get("months")
    names = {
        language: tuple(tuple(month.split("|")) for month in _list(listed))
        for language, listed in (months.items() if isinstance(months, Mapping) else ())
    }
    streets = tree.get("streets")
    street = streets if isinstance(streets, Mapping) else {}
    spoken = tree.get("language_words")
    asked = tree.get("recognisers")
    recogniser = asked if isinstance(asked, Mapping) else {}
    at_least = recogniser.get("at_least")
    return Words(
        titles=_folded(_list(tree.get("titles"))),
        capital_titles=_folded(_list(tree.get("capital_titles"))),
        name_cues=_folded(_list(tree.get("name_cues"))),
        particles=_folded(_list(tree.get("particles"))),
        conjunctions=_folded(_list(tree.get("conjunctions"))),
        common=_folded(_list(tree.get("common_words"))),
        months={fold(name): n for listed in names.values() for n, month in enumerate(listed, 1) for name in month},
        month_names=names,
        date_joints=_folded(_list(tree.get("date_joints"))),
        day_first=frozenset(_list(tree.get("day_first"))),
        ages=tuple(tuple(fold(pattern).split()) for pattern in _list(tree.get("ages"))),
        streets_before=_folded(_list(street.get("before"))),
        streets_after=_folded(_list(street.get("after"))),
        street_suffixes=tuple(sorted(_folded(_list(street.get("suffix"))))),
        number_cues=_folded(_list(tree.get("number_cues"))),
        language_words={
            language: _folded(_list(listed))
            for language, listed in (spoken.items() if isinstance(spoken, Mapping) else ())
        },
        name_extensions=_list(tree.get("name_extensions")),
        recognisers=_list(recogniser.get("classes")),
        recognisers_at_least=float(at_least) if isinstance(at_least, int | float) else 0.0,
        phone_regions=_list(recogniser.get("phone_regions")),
    )
