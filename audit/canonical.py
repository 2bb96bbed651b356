r"""Canonical JSON: one sequence of bytes for one value (a restricted profile of RFC 8785).

Allowed are objects with ASCII keys, arrays, strings without lone surrogates, integers below 2^53 in size, true,
false and null. Floating-point numbers are refused: write them as strings. Within this profile the bytes equal
those of RFC 8785.

Example:
    >>> canonical({"b": 1, "a": "é"})
    b'{"a":"\xc3\xa9","b":1}'
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import orjson

from audit.errors import FormatError

__all__ = ["MAX_INTEGER", "Json", "canonical", "parse_canonical"]

Json: TypeAlias = "Mapping[str, Json] | list[Json] | tuple[Json, ...] | str | int | bool | None"

MAX_INTEGER = 2**53 - 1
"""Largest integer, in size, that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3)."""

_MAX_DEPTH = 64
_HINT = "use strings, integers below 2^53, true, false, null, arrays and objects with ASCII keys"


def canonical(value: object) -> bytes:
    """Encode a value as canonical JSON.

    Raises:
        FormatError: the value holds something outside the profile; the message names the path, not the value.
    """
    try:
        plain = _plain(value, 0)
    except _OutsideProfileError as error:
        path = f"/{_find(value)}"
        raise FormatError(f"value at `{path}` {error.message}", hint=_HINT) from None
    try:
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _slowly(plain)


def _slowly(plain: Json) -> bytes:
    """Encode what orjson does not take: keys of a subclass of str (an enum's), and half surrogates, to say so."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError("a string holds half of a surrogate pair", hint="send text as valid UTF-8") from error


def parse_canonical(data: bytes) -> object:
    """Decode canonical JSON; bytes that are not the canonical form of their value are refused.

    Raises:
        FormatError: not JSON, outside the profile, or not in canonical form (also duplicate keys).
    """
    try:
        value = json.loads(data.decode("utf-8"))
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise FormatError("not JSON in UTF-8") from error
    if again != data:
        raise FormatError("JSON is not in canonical form", hint="keys sorted, no blanks, no duplicate keys")
    return value


class _OutsideProfileError(Exception):
    """A value that the profile does not have."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def _plain(value: object, depth: int) -> Json:
    """Return a copy in plain dictionaries and lists; orjson would take more than the profile has.

    Exact types come first: nearly every value has one, and asking for a type is faster than for a protocol.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value  # type: ignore[return-value] # the exact type says so
    if kind is dict:
        return _members(value, depth)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        return _elements(value, depth)
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _OutsideProfileError("is an integer of 2^53 or more")
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return _members(value, depth)
    raise _OutsideProfileError(f"is a {kind.__name__}, which canonical JSON does not have")


def _members(value: Mapping[object, object], depth: int) -> Json:
    if depth == _MAX_DEPTH:
        raise _OutsideProfileError(f"is nested deeper than {_MAX_DEPTH} levels")
    try:
        in_ascii = "".join(value).isascii()  # type: ignore[arg-type] # a key that is no string raises
    except TypeError:
        in_ascii = False
    if not in_ascii:
        raise _OutsideProfileError("has a key that is not an ASCII string")
    return {key: member if type(member) is str else _plain(member, depth + 1) for key, member in value.items()}  # type: ignore[misc]


def _elements(value: Iterable[object], depth: int) -> Json:
    if depth == _MAX_DEPTH:
        raise _OutsideProfileError(f"is nested deeper than {_MAX_DEPTH} levels")
    return [_plain(member, depth + 1) for member in value]


def _find(value: object, depth: int = 0) -> str:
    """Return the path of the first value outside the profile."""
    members: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        members = value.items()
    elif isinstance(value, list | tuple):
        members = enumerate(value)
    for key, member in members:
        try:
            _plain(member, depth + 1)
        except _OutsideProfileError:
            below = _find(member, depth + 1) if depth < _MAX_DEPTH else ""
            return f"{key}/{below}".rstrip("/")
    return ""
