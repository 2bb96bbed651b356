"""Free text: take the identifying words out, keep the rest.

Guarantees: the record's own values go first, then dates (moved as the structured side is), ages above the
limit, what the recognisers know and what cue words announce; every stretch is replaced by what it was
(``[NAME]``), never by another person's value. The same text and record give the same result.

Example:
    >>> # TextCleaner(words, highest_age=89).for_record(known, shift_days=12, language=None)("Mr Smith, 12.03.2019")
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from governance.deidentify.cues import find_by_cues, language_of
from governance.deidentify.dates import DateFinder
from governance.deidentify.known import Kind, Known, Span, tokens_of
from governance.deidentify.people import FullNames
from governance.deidentify.recognisers import Recognisers
from governance.deidentify.subject import TextScrubber
from governance.deidentify.words import Words, fold

__all__ = ["TextCleaner", "normalise"]

_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")


def normalise(text: str) -> str:
    """Compose the characters of a text (Unicode NFKC) and drop invisible ones that could split a name."""
    return text if text.isascii() else unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


class TextCleaner:
    """Cleans free text; one for a release, shared by all subjects.

    Args:
        words: word lists.
        highest_age: highest age that may be told, or None.
        people: full names of everybody in the release; they go out of every record's text.
    """

    def __init__(self, words: Words, *, highest_age: int | None, people: FullNames | None = None) -> None:
        self._words = words
        self._people = people or FullNames()
        self._dates = DateFinder(words, highest_age)
        self._recognisers = Recognisers(
            words.recognisers, at_least=words.recognisers_at_least, phone_regions=words.phone_regions
        )

    def for_record(self, known: Known, *, shift_days: int, language: str | None) -> TextScrubber:
        """Return what cleans the texts of one record.

        Args:
            known: the record's identifying values.
            shift_days: how far its dates move.
            language: of its texts (BCP 47 base), or None to tell it from each text.
        """

        def scrub(text: str) -> str:
            plain = normalise(text)
            if not any(character.isalnum() for character in plain):
                return plain
            spoken = language or language_of(self._words, plain)
            dates = self._dates.find(plain, days=shift_days, language=spoken)
            announced = [*find_by_cues(self._words, plain), *self._people.find(plain)]
            others = [
                *known.find(plain),
                *announced,
                *_again(self._words, plain, announced),
                *self._recognisers.find(plain),
            ]
            return _replace(plain, _settle(dates, others))

        return scrub


def _again(words: Words, text: str, found: Iterable[Span]) -> list[Span]:
    """Find the names that were announced once wherever else they stand in the text."""
    names = {
        token.word
        for span in found if span.kind is Kind.NAME
        for token in tokens_of(fold(text[span.start : span.end]))
        if len(token.word) > 3 and token.word not in words.common and token.word not in words.particles
        and token.word not in words.titles
    }  # fmt: skip
    if not names:
        return []
    tokens = tokens_of(fold(text))
    return [Span(one.start, one.end, Kind.NAME) for one in tokens if one.word in names and text[one.start].isupper()]


def _settle(dates: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """Make spans that do not overlap: a date wins over what lies inside it, otherwise stretches are joined."""
    chosen: list[Span] = []
    for span in sorted(dates, key=lambda one: (one.start, -one.end)):
        if not chosen or span.start >= chosen[-1].end:
            chosen.append(span)
    rest = [
        span
        for span in others
        if span.end > span.start and not any(one.start <= span.start and span.end <= one.end for one in chosen)
    ]
    merged: list[Span] = []
    for span in sorted((*chosen, *rest), key=lambda one: (one.start, -one.end)):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            kind = last.kind if last.end - last.start >= span.end - span.start else span.kind
            span = Span(last.start, max(last.end, span.end), kind)  # noqa: PLW2901 - joined with the one before
        merged.append(span)
    return merged


def _replace(text: str, spans: Iterable[Span]) -> str:
    out: list[str] = []
    at = 0
    before: Span | None = None
    for span in spans:
        between = text[at : span.start]
        names = before is not None and before.kind is span.kind is Kind.NAME
        joined = names and re.fullmatch(r"[\s,.'\u2019\-]{1,3}", between)
        if not joined:
            out.append(between)
            out.append(span.text if span.text is not None else f"[{span.kind}]")
        at, before = span.end, span
    out.append(text[at:])
    return "".join(out)
