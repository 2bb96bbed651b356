"""Full names of everybody in a release: a name known from one record is taken out of every other's text.

Guarantees: a full name is two parts of one person's name standing side by side, in either order, whatever
case and accents; a single first or last name is not enough, because it may be an ordinary word.

Example:
    >>> names = FullNames(); names.learn([{"resourceType": "Patient", "name": [{"family": "Weiß", "given": ["Ana"]}]}])
    >>> [span.start for span in names.find("seen by Ana Weiß")]
    [8]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from governance.deidentify.known import Kind, Span, tokens_of
from governance.deidentify.methods import Json
from governance.deidentify.words import fold, spellings

__all__ = ["EVERYBODY", "PATIENTS", "FullNames"]

EVERYBODY = frozenset({"Patient", "Person", "Practitioner", "RelatedPerson"})
PATIENTS = frozenset({"Patient"})


class FullNames:
    """The full names of a release, by pairs of folded words.

    Args:
        kinds: resource types whose people count.
    """

    def __init__(self, kinds: frozenset[str] = EVERYBODY) -> None:
        self._kinds = kinds
        self._pairs: set[tuple[str, str]] = set()
        self._words: set[str] = set()

    def learn(self, resources: Iterable[Mapping[str, Json]]) -> None:
        """Remember the names of these people, and of the contacts that they name."""
        for resource in resources:
            if resource.get("resourceType") in self._kinds:
                contacts = resource.get("contact")
                named: list[Json] = [resource, *(contacts if isinstance(contacts, list) else ())]
                for one in named:
                    if isinstance(one, dict):
                        self._pairs.update(_pairs(one.get("name")))
        self._words.update(word for pair in self._pairs for word in pair)

    def may_be_in(self, words: frozenset[str]) -> bool:
        """Say whether a text of these words could hold a full name (a quick look before `is_in`)."""
        return len(words & self._words) > 1

    def is_in(self, text: str) -> bool:
        """Say whether a text holds a full name."""
        return any(pair in self._pairs for pair in pairwise(token.word for token in tokens_of(fold(text))))

    def find(self, text: str) -> list[Span]:
        """Find the full names in a text."""
        tokens = tokens_of(fold(text))
        return [
            Span(one.start, other.end, Kind.NAME)
            for one, other in pairwise(tokens)
            if (one.word, other.word) in self._pairs
        ]


def _pairs(names: Json) -> Iterator[tuple[str, str]]:
    for name in names if isinstance(names, list) else (names,):
        if not isinstance(name, dict):
            continue
        given = _words(name.get("given"))
        family = _words(name.get("family"))
        for first in given:
            for last in family:
                if len(first) > 1 and len(last) > 1:
                    yield first, last
                    yield last, first


def _words(value: Json) -> list[str]:
    texts = value if isinstance(value, list) else (value,)
    return [
        token.word
        for one in texts if isinstance(one, str)
        for spelling in sorted(spellings(one)) for token in tokens_of(spelling)
    ]  # fmt: skip
