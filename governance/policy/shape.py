"""Take typed values out of a tree and say, with line and column, what does not fit.

Guarantees: every key that nobody asked for is a fault with a "did you mean"; every fault points at the node
it is about; reading goes on after a fault, so that all of them are reported at once.

Example:
    >>> fields = Fields(tree, faults, known=("place", "cite"), what="row")
    >>> fields.text("cite", required=True)
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from datetime import date
from difflib import get_close_matches

from governance.core.conditions import Timespan
from governance.errors import Diagnostic
from governance.policy.read import Mapping, Node, Scalar
from governance.policy.read import Sequence as Items

__all__ = [
    "Faults", "Fields", "TooManyFaultsError", "did_you_mean", "duration", "period_days", "scalars", "timespan",
]  # fmt: skip


_MOST = 1_000
_CHOICES = 400
"""Known words beyond which a suggestion looks only at those of the same beginning."""


class TooManyFaultsError(Exception):
    """So many faults that looking further would only cost time."""


class Faults:
    """Collects diagnostics, each once, in the order of files and lines.

    Raises:
        TooManyFaultsError: after a thousand of them, so that a broken file costs bounded time; the last one
            says so.
    """

    def __init__(self) -> None:
        self._found: dict[Diagnostic, None] = {}

    def error(self, place: Node | str, message: str, hint: str | None = None) -> None:
        """Record a fault that keeps the policies from being used."""
        self._add(place, message, hint, "error")

    def warn(self, place: Node | str, message: str, hint: str | None = None) -> None:
        """Record something that a lawyer should look at."""
        self._add(place, message, hint, "warning")

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Record what another reader found."""
        for found in diagnostics:
            self._found[found] = None
            self._bound(found.where)

    def _add(self, place: Node | str, message: str, hint: str | None, severity: str) -> None:
        where = place if isinstance(place, str) else place.where
        self._found[Diagnostic(where=where, message=message, hint=hint, severity=severity)] = None
        self._bound(where)

    def _bound(self, where: str) -> None:
        if len(self._found) > _MOST:
            self._found[Diagnostic(where=where, message=f"more than {_MOST} faults; the rest is not shown")] = None
            raise TooManyFaultsError

    @property
    def failed(self) -> bool:
        """Whether any of them is an error."""
        return any(found.severity == "error" for found in self._found)

    def all(self) -> tuple[Diagnostic, ...]:
        """Return them by file, line and column."""
        return tuple(sorted(self._found, key=_order))


def _order(found: Diagnostic) -> tuple[str, int, int, str]:
    file, line, column = [*found.where.rsplit(":", 2), "0", "0"][:3]
    return file, int(line) if line.isdigit() else 0, int(column) if column.isdigit() else 0, found.message


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Suggest the nearest known word, or None."""
    choices = sorted(known)
    if len(choices) > _CHOICES:
        choices = [choice for choice in choices if choice[:1] == word[:1]][:_CHOICES]
    near = get_close_matches(word, choices, n=1, cutoff=0.6) or get_close_matches(
        word.casefold(), [choice for choice in choices if choice.islower()], n=1, cutoff=0.6
    )
    upper = word.upper()
    if not near and upper in choices:
        near = [upper]
    if near:
        return f"did you mean `{near[0]}`?"
    if not word.isascii():
        return "it holds letters of another script"
    return None


def scalars(node: Node | None) -> tuple[Scalar, ...] | None:
    """Read one word or a list of words; None where the node is neither."""
    if isinstance(node, Scalar):
        return (node,) if node.value is not None else None
    if isinstance(node, Items):
        found = tuple(item for item in node.items if isinstance(item, Scalar) and item.value is not None)
        return found if len(found) == len(node.items) else None
    return None


class Fields:
    """The keys of one mapping, taken one by one."""

    def __init__(self, node: Mapping, faults: Faults, *, known: Sequence[str], what: str) -> None:
        self.node = node
        self.faults = faults
        self._what = what
        for key, value in node.entries:
            if key.text not in known:
                hint = did_you_mean(key.text, known) or f"a {what} may have: {', '.join(known)}"
                if isinstance(value, Scalar) and not value.text:
                    hint = "if it is the rest of a sentence, put the whole sentence in quotes"
                faults.error(key, f"unknown key `{key.text}` in a {what}", hint)

    def raw(self, key: str, *, required: bool = False) -> Node | None:
        """Return the value as it stands; a null counts as missing."""
        value = self.node.get(key)
        if value is None or (isinstance(value, Scalar) and value.value is None):
            if required:
                self.faults.error(value or self.node, f"missing key `{key}` in a {self._what}")
            return None
        return value

    def scalar(self, key: str, *, required: bool = False) -> Scalar | None:
        """Return a single value."""
        value = self.raw(key, required=required)
        if value is None or isinstance(value, Scalar):
            return value
        self.faults.error(value, f"`{key}` must be one value")
        return None

    def text(self, key: str, *, required: bool = False) -> str:
        """Return prose or a name as it is written; empty where missing."""
        value = self.scalar(key, required=required)
        text = value.text.strip() if value else ""
        if value is not None and not text:
            self.faults.error(value, f"`{key}` is empty")
        return text

    def words(self, key: str, *, required: bool = False) -> tuple[Scalar, ...]:
        """Return a word or a list of words."""
        value = self.raw(key, required=required)
        found = scalars(value)
        if value is not None and found is None:
            self.faults.error(value, f"`{key}` must be a word or a list of words")
        if isinstance(value, Items) and not value.items:
            self.faults.error(value, f"`{key}` is an empty list", "leave it out, or name what is meant")
        return found or ()

    def choice(self, key: str, choices: Sequence[str], default: str, *, required: bool = False) -> str:
        """Return one of a closed list of words."""
        value = self.scalar(key, required=required)
        if value is None:
            return default
        if value.value not in choices:
            hint = did_you_mean(value.text, choices) or f"one of: {', '.join(choices)}"
            self.faults.error(value, f"unknown {key} `{value.text}`", hint)
            return default
        return value.text

    def flag(self, key: str) -> bool:
        """Return true or false; false where missing."""
        value = self.scalar(key)
        if value is None:
            return False
        if not isinstance(value.value, bool):
            self.faults.error(value, f"`{key}` must be true or false", "write `true` or `false`")
            return False
        return value.value

    def day(self, key: str, *, required: bool = False) -> date | None:
        """Return a calendar day."""
        value = self.scalar(key, required=required)
        if value is None:
            return None
        if not isinstance(value.value, date):
            self.faults.error(value, f"`{key}` must be a day", "write year-month-day, such as 2026-11-22")
            return None
        return value.value

    def mapping(self, key: str, *, required: bool = False) -> Mapping | None:
        """Return a mapping."""
        value = self.raw(key, required=required)
        if value is None or isinstance(value, Mapping):
            return value
        self.faults.error(value, f"`{key}` must be a mapping", "write `key: value` lines below it")
        return None

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, Items):
            self.faults.error(value, f"`{key}` must be a list", "begin each item with `- `")
            return ()
        return value.items


def timespan(fields: Fields) -> Timespan:
    """Read ``from`` and ``until``: a day each, or ``{earliest, latest}`` where the day is not settled."""
    from_earliest, from_latest = _end(fields, "from")
    until_earliest, until_latest = _end(fields, "until")
    if from_earliest and until_latest and until_latest < from_earliest:
        fields.faults.error(fields.node.get("until") or fields.node, "`until` lies before `from`: never in force")
    return Timespan(from_earliest=from_earliest, from_latest=from_latest,
                    until_earliest=until_earliest, until_latest=until_latest)  # fmt: skip


def _end(fields: Fields, key: str) -> tuple[date | None, date | None]:
    value = fields.raw(key)
    if isinstance(value, Mapping):
        inner = Fields(value, fields.faults, known=("earliest", "latest"), what=f"`{key}`")
        earliest, latest = inner.day("earliest", required=True), inner.day("latest", required=True)
        if earliest and latest and latest < earliest:
            fields.faults.error(value, "`latest` lies before `earliest`")
            return earliest, earliest
        return earliest, latest
    day = fields.day(key)
    return day, day


_PERIOD = re.compile(r"([1-9][0-9]{0,4}) (hour|business day|working day|day|week|month|year)s?\Z")
_WORKING_HOLIDAYS = 10
"""Calendar days of public holidays assumed inside a period of working days."""


def period_days(text: str, *, longest: bool) -> int | None:
    """Turn a period such as ``12 months`` into days.

    Months and years have no fixed length, so the caller says which side is safe: ``longest`` (a waiting
    time, a counting window) takes the longest run of so many calendar months, otherwise (a greatest age) the
    shortest. Working days: ``longest`` takes whole weeks of five and ten days of holidays on top, otherwise
    as many calendar days. Hours round to whole days the same way.

    Returns:
        Days, or None where the text is no period.
    """
    found = _PERIOD.match(text)
    if not found:
        return None
    count, unit = int(found[1]), found[2]
    match unit:
        case "day":
            return count
        case "week":
            return 7 * count
        case "hour":
            return -(-count // 24) if longest else count // 24
        case "month" | "year":
            return _months(count * (12 if unit == "year" else 1), longest=longest)
        case _:
            return -(-count // 5) * 7 + _WORKING_HOLIDAYS if longest else count


def _months(count: int, *, longest: bool) -> int:
    years, rest = divmod(count, 12)
    lengths = [calendar.monthrange(2023, month)[1] for month in range(1, 13)] * 2
    runs = [sum(lengths[start : start + rest]) for start in range(12)]
    leap_days = -(-(count) // 48) if longest else years // 8 if years >= 8 else 0
    return years * 365 + (max(runs) if longest else min(runs)) + leap_days


def duration(text: str) -> str | None:
    """Turn a period into an ISO 8601 duration, for duties; working days count as plain days, which is earlier."""
    found = _PERIOD.match(text)
    if not found:
        return None
    count, unit = found[1], found[2]
    if unit == "hour":
        return f"PT{count}H"
    return f"P{count}{ {'week': 'W', 'month': 'M', 'year': 'Y'}.get(unit, 'D') }"
