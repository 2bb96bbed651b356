"""Read YAML 1.2 into a typed tree in which every node knows its line and column.

Guarantees: `read_yaml` never raises on what a file holds and never builds Python objects from it. It needs
time and memory in proportion to the bytes (2 MB, 40 levels and 200,000 nodes at most), reads Norway's ``NO``
as text, and refuses what makes a file mean two things: duplicate keys, anchors, aliases, tags, several
documents, numbers with leading zeros, marks that reverse the direction of text, bytes that are not UTF-8.

Scalars follow YAML 1.2.2 section 10.3 (core schema), and ``2026-11-22`` is a day. libyaml's event stream is
read rather than its composed nodes, because only events still show aliases and let the depth be bounded.

Example:
    >>> tree, faults = read_yaml(b"territory: NO", "no.yaml")
    >>> tree.get("territory").value
    'NO'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

import yaml

from governance.errors import Diagnostic

__all__ = ["Limits", "Mapping", "Node", "Scalar", "Sequence", "read_yaml"]

ScalarValue = str | int | float | bool | date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may ask of us.

    Attributes:
        size: bytes.
        depth: mappings and sequences inside one another.
        nodes: keys, scalars, mappings and sequences together.
    """

    size: int = 2_000_000
    depth: int = 40
    nodes: int = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One word, number, day, true, false or null.

    Attributes:
        value: as YAML 1.2 reads it.
        text: as it was written, quotes and escapes resolved.
        where: ``file:line:col``, counted from 1.
    """

    value: ScalarValue
    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys with their values, in the order of the file; keys are text as written, each once."""

    entries: tuple[tuple[Scalar, Node], ...]
    where: str

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return next((value for name, value in self.entries if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """Return the key's own node, for messages that point at it."""
        return next((name for name, _ in self.entries if name.text == key), None)


Node = Scalar | Sequence | Mapping


_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LARGEST = 2**53
"""Integers from here on differ between JSON readers (docs/formats.md)."""


class _Mark(Protocol):
    """A place in the text, counted from 0."""

    line: int
    column: int


class _Refused(Exception):  # noqa: N818 - ends the reading of one file; never leaves this module
    """Reading cannot go on."""

    def __init__(self, where: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(where=where, message=message, hint=hint)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A mapping or sequence whose end has not come."""

    mapping: bool
    where: str
    nodes: list[Node] = field(default_factory=list)


def read_yaml(
    source: Path | bytes, name: str | None = None, *, limits: Limits | None = None
) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    """Read one YAML document.

    Args:
        source: a file, or its bytes.
        name: how diagnostics call the file; the path itself where left out.
        limits: bounds on size, depth and nodes.

    Returns:
        The tree, or None where it cannot be read as a whole, and every fault found.
    """
    bounds = limits or Limits()
    title = name or (str(source) if isinstance(source, Path) else "<bytes>")
    faults: list[Diagnostic] = []
    try:
        text = _decode(_load(source, title, bounds), title)
        tree = _Builder(title, bounds, faults).build(text)
    except _Refused as refused:
        return None, (*faults, refused.diagnostic)
    return (None if faults else tree), tuple(faults)


def _load(source: Path | bytes, title: str, limits: Limits) -> bytes:
    if isinstance(source, bytes):
        data, size = source, len(source)
    else:
        try:
            if not source.is_file():
                raise _Refused(f"{title}:1:1", "not a file")
            size = source.stat().st_size
            with source.open("rb") as stream:
                data = stream.read(limits.size + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            raise _Refused(f"{title}:1:1", f"cannot be read: {(reason or 'unknown reason').lower()}") from error
    if max(size, len(data)) > limits.size:
        raise _Refused(
            f"{title}:1:1",
            f"file is too large: {max(size, len(data))} bytes, at most {limits.size} are read",
            "split it into several files",
        )
    return data


def _decode(data: bytes, title: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise _Refused(f"{title}:{line}:{column}", "not UTF-8 text", "save the file as UTF-8") from error


class _Builder:
    """Turns libyaml's events into nodes, one pass, no recursion."""

    def __init__(self, title: str, limits: Limits, faults: list[Diagnostic]) -> None:
        self._title = title
        self._limits = limits
        self._faults = faults
        self._stack: list[_Open] = []
        self._count = 0
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node:
        try:
            for event in self._events(text):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise self._syntax(error, text) from error
        except yaml.reader.ReaderError as error:
            raise self._unreadable(error, text) from error
        if self._root is None:
            raise _Refused(f"{self._title}:1:1", "file is empty")
        return self._root

    @staticmethod
    def _events(text: str) -> Iterator[yaml.Event]:
        return yaml.parse(text, Loader=yaml.CLoader)

    def _where(self, mark: _Mark | None) -> str:
        return f"{self._title}:{mark.line + 1}:{mark.column + 1}" if mark else f"{self._title}:1:1"

    def _take(self, event: yaml.Event) -> None:
        where = self._where(event.start_mark)
        match event:
            case yaml.AliasEvent():
                raise _Refused(where, f"alias `*{event.anchor}` is not allowed", "write the value out")
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _Refused(where, "a second document in one file", "put it into a file of its own")
                if event.tags or event.version not in (None, (1, 2)):
                    raise _Refused(where, "directives are not allowed", "remove the line that begins with `%`")
            case yaml.ScalarEvent():
                self._check(event, where)
                self._add(self._scalar(event, where))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check(event, where)
                if len(self._stack) >= self._limits.depth:
                    raise _Refused(where, f"nested deeper than {self._limits.depth} levels")
                self._stack.append(_Open(mapping=isinstance(event, yaml.MappingStartEvent), where=where))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._add(self._close(self._stack.pop()))
            case _:
                pass

    def _check(self, event: yaml.NodeEvent, where: str) -> None:
        """Refuse anchors and tags, and bound the number of nodes."""
        self._count += 1
        if self._count > self._limits.nodes:
            raise _Refused(where, f"more than {self._limits.nodes} nodes", "split it into several files")
        if event.anchor is not None:
            self._fault(where, f"anchor `&{event.anchor}` is not allowed", "write the value out where it is needed")
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._fault(where, f"tag `{shown}` is not allowed", "remove it; quotes make a value text")

    def _fault(self, where: str, message: str, hint: str | None = None) -> None:
        self._faults.append(Diagnostic(where=where, message=message, hint=hint))

    def _add(self, node: Node) -> None:
        if self._stack:
            self._stack[-1].nodes.append(node)
        else:
            self._root = node

    def _close(self, opened: _Open) -> Node:
        if not opened.mapping:
            return Sequence(items=tuple(opened.nodes), where=opened.where)
        entries: list[tuple[Scalar, Node]] = []
        first: dict[str, str] = {}
        for key, value in zip(opened.nodes[::2], opened.nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._fault(key.where, "a key must be a word", "quote it if it holds brackets or braces")
            elif not key.text:
                self._fault(key.where, "a key is empty")
            elif key.text in first:
                self._fault(key.where, f"duplicate key `{key.text}`", f"it stands already at {first[key.text]}")
            else:
                first[key.text] = key.where
                entries.append((key, value))
        return Mapping(entries=tuple(entries), where=opened.where)

    def _scalar(self, event: yaml.ScalarEvent, where: str) -> Scalar:
        text = str(event.value)
        if _DIRECTION_MARKS.search(text):
            self._fault(where, "a mark that changes the direction of text is not allowed", "retype the text")
        plain = bool(event.implicit[0])
        return Scalar(value=self._plain(text, where) if plain else text, text=text, where=where)

    def _plain(self, text: str, where: str) -> ScalarValue:
        """Read an unquoted scalar by YAML 1.2.2 section 10.3.2, and days."""
        if text in _WORDS:
            return _WORDS[text]
        if _DAY.match(text):
            return self._day(text, where)
        if _INTEGER.match(text) or _BASED.match(text):
            return self._integer(text, where)
        if _FLOAT.match(text):
            return self._decimal(text, where)
        if _NOT_FINITE.match(text):
            self._fault(where, f"number `{text}` is not finite", "quote it if it is a word")
        return text

    def _day(self, text: str, where: str) -> ScalarValue:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self._fault(where, f"no such day `{text}`", "write year-month-day, such as 2026-11-22")
            return text

    def _decimal(self, text: str, where: str) -> ScalarValue:
        number = float(text)
        if abs(number) >= _LARGEST or len(text) > 40:
            self._fault(where, "number is too large or too long")
            return text
        return number

    def _integer(self, text: str, where: str) -> ScalarValue:
        if _LEADING_ZERO.match(text):
            self._fault(where, f"number `{text[:40]}` has leading zeros", "quote it if it is a code")
            return text
        if len(text) > 40 or abs(number := int(text, 0)) >= _LARGEST:
            self._fault(where, "number is too large or too long")
            return text
        return number

    def _syntax(self, error: yaml.MarkedYAMLError, text: str) -> _Refused:
        mark = error.problem_mark or error.context_mark
        where = self._where(mark)
        problem = (error.problem or error.context or "not YAML").lower()
        line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
        rest = line[mark.column :] if mark else ""
        if rest.startswith("\t") or (line.lstrip(" ").startswith("\t") and "token" in problem):
            return _Refused(where, "a tab indents this line", "indent with spaces")
        if "key" in problem or "mapping values" in problem:
            hint = "check the indentation, and quote text that holds a colon"
            return _Refused(where, f"not YAML: {problem}", hint)
        return _Refused(where, f"not YAML: {problem}", "check brackets, quotes and indentation")

    def _unreadable(self, error: yaml.reader.ReaderError, text: str) -> _Refused:
        before = text[: error.position] if isinstance(error.position, int) else ""
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        return _Refused(f"{self._title}:{line}:{column}", "a character that is not allowed in YAML",
                        "remove control characters")  # fmt: skip
