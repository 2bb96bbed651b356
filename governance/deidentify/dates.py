"""Dates and ages as people write them in notes, found and moved.

Guarantees: a date is moved by the subject's days and written in the shape it had; where the order of day and
month is open, or the year is missing, it is replaced by ``[DATE]``: never guessed. Ages above the limit
become ``90+`` (one above the limit).

Example:
    >>> # DateFinder(words).find("seen on 12.03.2019", days=-5, language="de")
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from governance.deidentify.known import Kind, Span
from governance.deidentify.words import Words, fold

__all__ = ["DateFinder"]

_NUMERIC = re.compile(r"(?<![\d./-])(\d{4}|\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{1,2})(?![\d/-])")
_MONTH_YEAR = re.compile(r"(?<![\d./-])(0?[1-9]|1[0-2])([./-])((?:19|20)\d{2})(?![\d/-])")
_PIVOT = 50
"""Two-digit years below it belong to the 2000s."""


class DateFinder:
    """Finds dates and ages in the languages of the word lists."""

    def __init__(self, words: Words, highest_age: int | None) -> None:
        self._words = words
        months = "|".join(sorted((re.escape(name) for name in words.months), key=len, reverse=True))
        joints = "|".join(sorted((re.escape(word) for word in words.date_joints), key=len, reverse=True))
        joint = rf"(?:(?:{joints})\s+)?"
        year = r"(\d{4})(?!\d)"
        self._day_month = re.compile(
            rf"(?<![\w.])(\d{{1,2}})(?:st|nd|rd|th|er|[.ºª°])?[\s-]+{joint}({months})(?![^\W\d_])(?:\.?,?[\s-]+{joint}{year})?"
        )
        self._month_day = re.compile(
            rf"(?<!\w)({months})\.?\s+(\d{{1,2}})(?!\d)(?:st|nd|rd|th)?(?:,?\s+{year})?"
        )
        self._month_year = re.compile(rf"(?<!\w)({months})\.?,?\s+{joint}{year}")
        self._ages = [
            (re.compile(r"(?<![\w.,])" + r"[\s.\-]*".join(
                r"(\d{2,3})" if part == "#" else re.escape(part) for part in pattern) + r"(?![^\W\d_])"))
            for pattern in words.ages
        ]  # fmt: skip
        self._highest = highest_age

    def find(self, text: str, *, days: int | None, language: str | None) -> list[Span]:
        """Find dates and ages.

        Args:
            text: in Unicode NFC.
            days: how far dates move; None writes ``[DATE]``.
            language: of the text, to settle numeric dates.
        """
        folded = fold(text)
        spans = [*self._numeric(text, days, language), *self._named(text, folded, days)]
        if self._highest is not None:
            spans += self._old(folded)
        return spans

    def _old(self, folded: str) -> Iterator[Span]:
        for pattern in self._ages:
            for match in pattern.finditer(folded):
                if self._highest is not None and self._highest < int(match[1]) < 131:
                    yield Span(match.start(1), match.end(1), Kind.AGE, f"{self._highest + 1}+")

    def _numeric(self, text: str, days: int | None, language: str | None) -> Iterator[Span]:
        for match in _NUMERIC.finditer(text):
            span = self._one_numeric(match, days, language)
            if span is not None:
                yield span
        for match in _MONTH_YEAR.finditer(text):
            moved = _move(int(match[3]), int(match[1]), 15, days)
            written = f"{moved.month:0{len(match[1])}d}{match[2]}{moved.year}" if moved else None
            yield Span(match.start(), match.end(), Kind.DATE, written)

    def _one_numeric(self, match: re.Match[str], days: int | None, language: str | None) -> Span | None:
        first, mark, middle, last = match.groups()
        if len(first) == 4:
            order = ("year", "month", "day")
        elif len(last) == 1:
            return None
        else:
            order = self._order(int(first), int(middle), mark, language)
        parts = dict(zip(order, (first, middle, last), strict=True))
        if "open" in parts:
            plausible = 1 <= int(first) <= 12 and 1 <= int(middle) <= 12
            return Span(match.start(), match.end(), Kind.DATE) if plausible else None
        year = int(parts["year"])
        if len(parts["year"]) == 2:
            year += 2000 if year < _PIVOT else 1900
        if not _is_date(year, int(parts["month"]), int(parts["day"])):
            return None
        moved = _move(year, int(parts["month"]), int(parts["day"]), days)
        if moved is None:
            return Span(match.start(), match.end(), Kind.DATE)
        values = {"year": moved.year if len(parts["year"]) == 4 else moved.year % 100, "month": moved.month,
                  "day": moved.day}  # fmt: skip
        written = mark.join(f"{values[name]:0{len(parts[name])}d}" for name in order)
        return Span(match.start(), match.end(), Kind.DATE, written)

    def _order(self, first: int, middle: int, mark: str, language: str | None) -> tuple[str, str, str]:
        if first > 12 or first == middle or mark == "." or language in self._words.day_first:
            return ("day", "month", "year")
        return ("month", "day", "year") if middle > 12 else ("open", "month", "year")

    def _named(self, text: str, folded: str, days: int | None) -> Iterator[Span]:
        for match in self._day_month.finditer(folded):
            yield from self._one_named(text, match, 1, 2, days)
        for match in self._month_day.finditer(folded):
            yield from self._one_named(text, match, 2, 1, days)
        for match in self._month_year.finditer(folded):
            moved = _move(int(match[2]), self._words.months[match[1]], 15, days)
            written = None
            if moved:
                name = self._month(text, match, 1, moved.month)
                written = self._rewrite(text, match, ((1, name), (2, str(moved.year))))
            yield Span(match.start(), match.end(), Kind.DATE, written)

    def _one_named(
        self, text: str, match: re.Match[str], day_at: int, month_at: int, days: int | None
    ) -> Iterator[Span]:
        day, month, year = int(match[day_at]), self._words.months[match[month_at]], match[3]
        if not 1 <= day <= 31:
            return
        if year is None:  # a day of no year, or no date at all ("2 mar", "may 5 mg")
            if text[match.start(month_at)].isupper() or len(match[month_at]) > 4:
                yield Span(match.start(), match.end(), Kind.DATE)
            return
        moved = _move(int(year), month, day, days) if _is_date(int(year), month, day) else None
        written = None
        if moved:
            changes = ((day_at, str(moved.day)), (month_at, self._month(text, match, month_at, moved.month)),
                       (3, str(moved.year)))  # fmt: skip
            written = self._rewrite(text, match, changes)
        yield Span(match.start(), match.end(), Kind.DATE, written)

    @staticmethod
    def _rewrite(text: str, match: re.Match[str], changes: tuple[tuple[int, str], ...]) -> str:
        out = ""
        at = match.start()
        for group, new in sorted(changes, key=lambda change: match.start(change[0])):
            out += text[at : match.start(group)] + new
            at = match.end(group)
        return out + text[at : match.end()]

    def _month(self, text: str, match: re.Match[str], group: int, month: int) -> str:
        """Write a month in the language and length of the one that stood there."""
        written = match[group]
        for listed in self._words.month_names.values():
            for names in listed:
                folded = [fold(name) for name in names]
                if written in folded:
                    new = listed[month - 1][0 if folded.index(written) == 0 else -1]
                    return new.capitalize() if text[match.start(group)].isupper() else new
        return "[DATE]"


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        return 1850 <= date(year, month, day).year <= 2150
    except ValueError:
        return False


def _move(year: int, month: int, day: int, days: int | None) -> date | None:
    if days is None:
        return None
    try:
        return date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
