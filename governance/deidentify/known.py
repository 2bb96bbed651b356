"""The identifying values of one record, and where they stand in a text.

Guarantees: names are found whatever their case, accents, order, possessive or glued digits; numbers in any
spacing; addresses and institutions as phrases. Names that are short or also ordinary words are found only
beside a title, a cue word or another part of the same name, so that a patient called Long does not empty
every text. Finding never changes anything.

Example:
    >>> # Known(words, (Value(kind=Kind.NAME, text="Ana Díaz"),)).find("Sra. DIAZ's knee")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from governance.deidentify.words import Words, fold, spellings

__all__ = ["Kind", "Known", "Span", "Token", "Value", "squeezed", "tokens_of", "words_of"]


class Kind(StrEnum):
    """What an identifying value is."""

    NAME = "NAME"
    ADDRESS = "ADDRESS"
    PLACE = "PLACE"
    ORGANISATION = "ORGANISATION"
    CONTACT = "CONTACT"
    NUMBER = "NUMBER"
    DATE = "DATE"
    AGE = "AGE"


class Value(NamedTuple):
    """An identifying value as the record writes it."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, end exclusive, and what stands in it."""

    start: int
    end: int
    kind: Kind
    text: str | None = None
    """What to write instead, if not the kind's placeholder."""


@dataclass(frozen=True, slots=True)
class Token:
    """A run of letters or of digits; a digit glued to a name is a token of its own."""

    start: int
    end: int
    word: str


_SEPARATORS = re.compile(r"[\W_]+")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{4,63}")
_PREFIX = re.compile(r"(?:[+(]*\d[\d ()/.-]{0,7})?$")
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_MEANINGFUL = 4
"""Shortest name, in characters, that counts without further context."""
_LABEL = 160
"""Texts up to this length, in characters, are printed forms of codes, which repeat from record to record."""
_NUMBER = 5
"""Shortest number or contact, in letters and digits, that is searched for."""


def tokens_of(folded: str) -> list[Token]:
    """Split a folded text."""
    return [Token(match.start(), match.end(), match.group()) for match in _TOKEN.finditer(folded)]


def squeezed(text: str) -> str:
    """Return the letters and digits of a text, folded."""
    folded = fold(text)
    return folded if folded.isalnum() else _SEPARATORS.sub("", folded)


def words_of(text: str) -> tuple[frozenset[str], int]:
    """Return the words of a text and how many digits it has; short ones are remembered, notes never."""
    return _words_of(text) if len(text) < _LABEL else _words_of.__wrapped__(text)


@lru_cache(maxsize=20_000)
def _words_of(text: str) -> tuple[frozenset[str], int]:
    words = frozenset(_TOKEN.findall(fold(text)))
    return words | {word[:-1] for word in words if word.endswith("s")}, sum(map(str.isdigit, text))


class Known:
    """The identifying values of one record (or release), ready to be looked for.

    Attributes:
        values: every value, as the record writes it.
        ids: ids of the record's resources.
    """

    __slots__ = ("_exact", "_first", "_lettered", "_numbers", "_phrases", "_strong", "_weak", "_words", "ids", "values")

    def __init__(self, words: Words, values: Iterable[Value], ids: Iterable[str] = ()) -> None:
        self.ids = frozenset(ids)
        self._words = words
        self.values = tuple(dict.fromkeys(value for value in values if value.text.strip()))
        self._strong: dict[str, Kind] = {}
        self._weak: dict[str, Kind] = {}
        self._phrases: dict[str, list[tuple[tuple[str, ...], Kind]]] = {}
        self._numbers: dict[str, Kind] = {}
        self._exact: set[str] = set()
        self._lettered = False
        for value in self.values:
            self._learn(value)
        self._first = {*self._strong, *self._weak, *self._phrases}
        for listed in self._phrases.values():
            listed.sort(key=lambda item: -len(item[0]))

    def _learn(self, value: Value) -> None:
        if value.kind in (Kind.NUMBER, Kind.CONTACT):
            number = squeezed(value.text)
            if len(number) >= _NUMBER:
                self._numbers[number] = value.kind
                self._exact.add(number)
                self._lettered |= not _DIGIT.search(number)
                if value.kind is Kind.CONTACT and number.isdigit() and len(number) > 8:
                    self._numbers[number[-8:]] = value.kind  # without or with another country or trunk prefix
            return
        if len(value.text.strip()) >= _MEANINGFUL:
            self._exact.add(value.text.strip())
        for spelling in spellings(value.text):
            words = tuple(_TOKEN.findall(spelling))
            if value.kind is Kind.NAME:
                self._learn_name(words)
            else:
                self._learn_phrase(words, value.kind)

    def _learn_name(self, words: tuple[str, ...]) -> None:
        lists = self._words
        for word in words:
            if word.isdigit() or word in lists.particles or word in lists.conjunctions or word in lists.titles:
                continue
            weak = (len(word) < _MEANINGFUL and word.isascii()) or word in lists.common
            (self._weak if weak else self._strong)[word] = Kind.NAME

    def _learn_phrase(self, words: tuple[str, ...], kind: Kind) -> None:
        """Learn an address, a place or an institution: its words in a row, with and without numbers."""
        named = tuple(word for word in words if not word.isdigit())
        for phrase in {words, named}:
            if not phrase or not any(len(word) > 1 for word in phrase):
                continue
            if len(phrase) == 1:
                word = phrase[0]
                if word.isdigit() and len(word) < _NUMBER:
                    continue
                weak = len(word) < _MEANINGFUL or word in self._words.common
                (self._weak if weak else self._strong).setdefault(word, kind)
            elif not all(word in self._words.particles or word in self._words.common for word in phrase):
                self._phrases.setdefault(phrase[0], []).append((phrase, kind))

    def is_value(self, text: str, bare: str | None = None) -> bool:
        """Say whether a whole code is a value of the record.

        Args:
            text: the code.
            bare: its letters and digits as `squeezed` gives them, where they are at hand.
        """
        if text in self._exact or text in self.ids:
            return True
        return len(text) >= _NUMBER and (squeezed(text) if bare is None else bare) in self._numbers

    def appears_in(self, label: str) -> bool:
        """Say whether the printed form of a code names the record's person.

        A single name is not enough where it opens no doubt: see `find` with ``strict``.
        """
        words, digits = words_of(label)
        return self.may_appear_among(words, digits) and bool(self.find(label, strict=True))

    def may_appear_among(self, words: frozenset[str], digits: int) -> bool:
        """Say whether a text of these words and so many digits, as `words_of` gives them, must be searched."""
        return digits >= _NUMBER or self._lettered or not self._first.isdisjoint(words)

    def find(self, text: str, *, strict: bool = False) -> list[Span]:
        """Find the record's values in a text.

        Args:
            text: in Unicode NFC.
            strict: short and common words need context even when they are written like names.

        Returns:
            Spans, possibly overlapping, in no order.
        """
        folded = fold(text)
        tokens = tokens_of(folded)
        spans = self._names(text, tokens, strict=strict)
        spans += self._in_phrases(tokens)
        spans += self._in_ids(text)
        if self._numbers and (self._lettered or _DIGIT.search(folded)):
            spans += self._in_numbers(folded)
        return spans

    def _names(self, text: str, tokens: Sequence[Token], *, strict: bool) -> list[Span]:
        strong, weak = self._strong, self._weak
        spans: list[Span] = []
        for n, token in enumerate(tokens):
            word = token.word
            kind = strong.get(word)
            if kind is None and word[-1:] == "s" and len(word) > _MEANINGFUL:
                kind = strong.get(word[:-1])  # genitive
            if kind is None and word in weak and self._in_context(text, tokens, n, strict=strict):
                kind = weak[word]
            if kind is not None and strict and not self._is_certain(text, tokens, n):
                continue
            if kind is not None:
                spans.append(self._with_initials(text, tokens, n, kind))
        return spans

    def _is_certain(self, text: str, tokens: Sequence[Token], n: int) -> bool:
        """Say whether a name is written as one or stands beside another part of it (a code may be a word)."""
        first = text[tokens[n].start]
        if first.isupper() or first.lower() == first.upper():
            return True
        return any(
            0 <= m < len(tokens) and (tokens[m].word in self._strong or tokens[m].word in self._weak)
            for m in (n - 1, n + 1)
        )

    def _in_context(self, text: str, tokens: Sequence[Token], n: int, *, strict: bool) -> bool:
        """Say whether a short or common word stands as a name here."""
        token = tokens[n]
        if not text[token.start].isupper() and text[token.start].lower() != text[token.start].upper():
            return False
        for m in (n - 1, n + 1, n - 2):
            if 0 <= m < len(tokens) and self._is_beside(text, tokens, n, m):
                other, between = tokens[m].word, tokens[n - 1].word if m == n - 2 else ""
                if between and len(between) > 1 and between not in self._words.particles:
                    continue
                if other in self._strong or (other in self._weak and not between and text[tokens[m].start].isupper()):
                    return True
        before = tokens[n - 1].word if n else ""
        if before in self._words.titles and self._is_beside(text, tokens, n, n - 1):
            return before not in self._words.capital_titles or text[tokens[n - 1].start].isupper()
        if strict:
            return False
        if before in self._words.name_cues:
            return True
        opening = n == 0 or bool(re.search(r"[.!?:\n]\s*$", text[: token.start]))
        shouting = text[token.start : token.end].isupper() and token.end - token.start > 1
        return not opening and not shouting

    @staticmethod
    def _is_beside(text: str, tokens: Sequence[Token], n: int, m: int) -> bool:
        low, high = sorted((tokens[n], tokens[m]), key=lambda token: token.start)
        between = text[low.end : high.start]
        return (len(between) <= 4 and not any(character in between for character in ";:!?()\n")) or abs(n - m) == 2

    @staticmethod
    def _with_initials(text: str, tokens: Sequence[Token], n: int, kind: Kind) -> Span:
        """Take digits glued to a name and initials beside it into its span."""
        start, end = tokens[n].start, tokens[n].end
        if n + 1 < len(tokens) and tokens[n + 1].start == end and tokens[n + 1].word.isdigit():
            end = tokens[n + 1].end
        if kind is Kind.NAME:
            before = tokens[n - 1] if n else None
            if before and before.end - before.start == 1 and text[before.end : before.end + 1] == ".":
                start = before.start if text[before.start].isupper() else start
            after = text[end : end + 4]
            match = re.match(r",? [^\W\d_]\.", after)
            if match and match.group()[-2].isupper():
                end += match.end()
        return Span(start, end, kind)

    def _in_phrases(self, tokens: Sequence[Token]) -> list[Span]:
        spans: list[Span] = []
        if not self._phrases:
            return spans
        for n, token in enumerate(tokens):
            for phrase, kind in self._phrases.get(token.word, ()):
                if len(phrase) <= len(tokens) - n and all(
                    tokens[n + k].word == word for k, word in enumerate(phrase)
                ):
                    spans.append(Span(token.start, tokens[n + len(phrase) - 1].end, kind))
                    break
        return spans

    def _in_ids(self, text: str) -> list[Span]:
        """Find ids of resources, which are long enough to stand for themselves."""
        return [
            Span(match.start(), match.end(), Kind.NUMBER)
            for match in _ID.finditer(text)
            if match.group().rstrip(".-") in self.ids
        ]

    def _in_numbers(self, folded: str) -> list[Span]:
        """Find numbers in any spacing: compare without what is neither letter nor digit."""
        places = [n for n, character in enumerate(folded) if character.isalnum()]
        run = "".join(folded[n] for n in places)
        spans: list[Span] = []
        for number, kind in self._numbers.items():
            at = run.find(number)
            while at >= 0:
                start, end = places[at], places[at + len(number) - 1] + 1
                if kind is Kind.CONTACT:  # with any country or trunk prefix before it
                    start -= len(_PREFIX.search(folded[:start])[0])  # type: ignore[index] # it always matches
                if kind is Kind.CONTACT or self._stands_alone(folded, start, end, number):
                    spans.append(Span(start, end, kind))
                at = run.find(number, at + 1)
        return spans

    @staticmethod
    def _stands_alone(folded: str, start: int, end: int, number: str) -> bool:
        """Refuse a short number inside a longer one, and letters gathered from several words."""
        inside = (folded[start - 1 : start].isdigit() and number[0].isdigit()) or (
            folded[end : end + 1].isdigit() and number[-1].isdigit()
        )
        if inside and len(number) < 9:
            return False
        return number.isdigit() or "  " not in folded[start:end].strip()
