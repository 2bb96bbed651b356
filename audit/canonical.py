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
from collections.abc import Mapping
from typing import TypeAlias

from audit.errors import FormatError

__all__ = ["MAX_INTEGER", "Json", "canonical", "parse_canonical"]

Json: TypeAlias = "Mapping[str, Json] | list[Json] | tuple[Json, ...] | str | int | bool | None"

MAX_INTEGER = 2**53 - 1
"""Largest integer, in size, that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3)."""

_MAX_DEPTH = 64


def canonical(value: object) -> bytes:
    """Encode a value as canonical JSON.

    Raises:
        FormatError: the value holds something outside the profile; the message names the path, not the value.
    """
    plain = _plain(value, "", 0)
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


def _plain(value: object, path: str, depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise FormatError(f"nested deeper than {_MAX_DEPTH} levels")
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise FormatError(f"integer at `{path or '/'}` is 2^53 or larger", hint="write it as a string")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not key.isascii():
                raise FormatError(f"a key under `{path or '/'}` is not an ASCII string")
        return {key: _plain(member, f"{path}/{key}", depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, f"{path}/{number}", depth + 1) for number, member in enumerate(value)]
    raise FormatError(
        f"value at `{path or '/'}` is a {type(value).__name__}, which canonical JSON does not have",
        hint="use strings, integers, true, false, null, arrays and objects",
    )
