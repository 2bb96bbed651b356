"""Tiles and entry bundles: the static files that a log is served as (C2SP tlog-tiles).

A tile holds up to 256 hashes of one tile level (32 bytes each); an entry bundle holds up to 256 entries, each behind
its length as a big-endian u16. Paths: ``tile/<level>/<number>[.p/<width>]`` and ``tile/entries/<number>[.p/<width>]``,
the number in groups of three digits, all but the last marked ``x``.

Example:
    >>> tile_path(0, 1234067)
    'tile/0/x001/x234/067'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from audit.errors import FormatError
from audit.tree import MAX_SIZE

__all__ = [
    "BUNDLE", "TILE_WIDTH", "TilePath", "bundle_bytes", "bundle_path", "leaves_path", "number_path", "parse_bundle",
    "parse_number", "parse_path", "tile_path", "tile_paths",
]  # fmt: skip

TILE_WIDTH = 256
BUNDLE = -1
"""Stands for the level of entry bundles."""

_NUMBER = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


def number_path(number: int) -> str:
    """Return a tile number as a path: 1234067 is ``x001/x234/067``."""
    text = f"{number % 1000:03d}"
    while number := number // 1000:
        text = f"x{number % 1000:03d}/{text}"
    return text


def parse_number(text: str) -> int:
    """Read a number written by `number_path`.

    Raises:
        FormatError: it is not in that form.
    """
    if _NUMBER.fullmatch(text) is None:
        raise FormatError("not a number of a tile")
    number = int(text.replace("x", "").replace("/", ""))
    if number_path(number) != text:
        raise FormatError("not the canonical number of a tile")
    return number


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile, or of an entry bundle if the level is `BUNDLE`."""
    folder = "entries" if level == BUNDLE else str(level)
    partial = f".p/{width}" if width < TILE_WIDTH else ""
    return f"tile/{folder}/{number_path(number)}{partial}"


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle."""
    return tile_path(BUNDLE, number, width)


def leaves_path(index: int) -> str:
    """Return the path of the subject leaves of an entry (docs/formats.md section 5; not part of C2SP)."""
    return f"leaves/{number_path(index)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePath:
    """A parsed path; ``level`` is `BUNDLE` for an entry bundle, ``width`` 256 for a full tile."""

    level: int
    number: int
    width: int = TILE_WIDTH

    def to_text(self) -> str:
        """Return the path."""
        return tile_path(self.level, self.number, self.width)


def parse_path(text: str) -> TilePath:
    """Read a path in its one canonical form.

    Raises:
        FormatError: it is not the path of a tile or entry bundle.
    """
    found = _PATH.fullmatch(text)
    if found is None:
        raise FormatError("not the path of a tile or entry bundle")
    level = BUNDLE if found[1] == "entries" else int(found[1])
    number = int(found[2].replace("x", "").replace("/", ""))
    path = TilePath(level=level, number=number, width=int(found[3]) if found[3] else TILE_WIDTH)
    if path.to_text() != text or level > 63 or number >= MAX_SIZE:
        raise FormatError("not the canonical path of a tile or entry bundle")
    return path


def tile_paths(size: int, since: int = 0) -> Iterator[TilePath]:
    """Yield every tile and bundle of a log of a size, without those that were full at an earlier size."""
    yield from _row(BUNDLE, size, since)
    level = 0
    while size >> (8 * level):
        yield from _row(level, size >> (8 * level), since >> (8 * level))
        level += 1


def _row(level: int, count: int, since: int) -> Iterator[TilePath]:
    for number in range(since // TILE_WIDTH, count // TILE_WIDTH):
        yield TilePath(level=level, number=number)
    if count % TILE_WIDTH:
        yield TilePath(level=level, number=count // TILE_WIDTH, width=count % TILE_WIDTH)


def bundle_bytes(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """Read the entries of a bundle.

    Args:
        data: the bundle.
        width: how many entries it must have.

    Raises:
        FormatError: it ends too early or too late; the message counts from 0 inside the bundle.
    """
    entries = []
    at, end = 0, len(data)
    for number in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise FormatError(f"the bundle ends inside entry {number} of {width}")
        entries.append(data[start:at])
    if at != end:
        raise FormatError(f"the bundle has {end - at} bytes after its {width} entries")
    return entries
