"""Read the YAML files of profiles with the place of every value.

Guarantees: YAML 1.2 scalars (a country code ``NO`` stays text), no duplicate keys, aliases or tags; all
faults of a file at once.

Example:
    >>> parse_document("a: {b: NO}", "x.yaml").value
    {'a': {'b': 'NO'}}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from governance.errors import Diagnostic, InputError

__all__ = ["Document", "Tree", "parse_document", "read_document"]

Tree: TypeAlias = "Mapping[str, Tree] | list[Tree] | str | int | float | bool | None"
Path_: TypeAlias = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file.

    Attributes:
        name: file name for messages.
        value: the tree.
        places: path of keys and indexes to ``file:line:col``.
        digest: SHA-256 of the file's bytes, hex.
    """

    name: str
    value: Tree
    places: Mapping[Path_, str]
    digest: str

    def place(self, *path: str | int) -> str:
        """Return ``file:line:col`` of the nearest known value on the path."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, self.name)


class _Builder:
    """Turns composed nodes into values and collects places and faults."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Path_, str] = {}
        self.faults: list[Diagnostic] = []

    def where(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def build(self, node: yaml.Node, path: Path_) -> Tree:
        self.places[path] = self.where(node)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, n)) for n, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # there are no other nodes
        return _scalar(node)

    def mapping(self, node: yaml.MappingNode, path: Path_) -> Mapping[str, Tree]:
        out: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if not key:
                self.faults.append(Diagnostic(where=self.where(key_node), message="a key must be a plain word"))
            elif key in out:
                self.faults.append(Diagnostic(where=self.where(key_node), message=f"`{key}` is given twice"))
            else:
                out[key] = self.build(value_node, (*path, key))
                self.places[(*path, key)] = self.where(key_node)
        return out


def _scalar(node: yaml.ScalarNode) -> Tree:
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def parse_document(text: str, name: str) -> Document:
    """Parse one YAML document.

    Args:
        text: the file's text.
        name: its name for messages.

    Returns:
        The tree with places.

    Raises:
        InputError: with every fault found.
    """
    try:
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                at = f"{name}:{token.start_mark.line + 1}:{token.start_mark.column + 1}"
                raise InputError("aliases and tags are not used in policies", where=at)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise InputError(f"not readable as YAML: {fault.problem}", where=at) from None
    except yaml.YAMLError:
        raise InputError("not readable as YAML", where=name) from None
    builder = _Builder(name)
    value = builder.build(node, ()) if node is not None else None
    if builder.faults:
        raise InputError(f"{name} has faults", where=name, diagnostics=builder.faults)
    return Document(name=name, value=value, places=builder.places, digest=hashlib.sha256(text.encode()).hexdigest())


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        InputError: it cannot be read, or with every fault found.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError("this policy file cannot be read", where=path.name, hint="is it there, in UTF-8?") from None
    return parse_document(text, path.name)
