"""The reader: YAML 1.2 with places, bounded, and never an exception."""

import json
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.policy.read import Limits, Mapping, Scalar, Sequence, read_yaml


def value(text: str) -> object:
    tree, faults = read_yaml(f"a: {text}".encode(), "f.yaml")
    assert faults == ()
    assert isinstance(tree, Mapping)
    node = tree.get("a")
    assert isinstance(node, Scalar)
    return node.value


def fault(data: bytes, limits: Limits | None = None) -> str:
    tree, faults = read_yaml(data, "f.yaml", limits=limits)
    assert tree is None
    return "\n".join(map(str, faults))


@pytest.mark.parametrize("word", ["NO", "no", "No", "on", "off", "yes", "y", "n", "12:30:45", "1_000", "0b1", "1e", ".", "=", "<<"])
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(word: str) -> None:
    assert word == value(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-5", -5), ("+5", 5),
        ("0o17", 15), ("0x1F", 31), ("1.5", 1.5), ("1e3", 1000.0), ("2026-11-22", date(2026, 11, 22)),
        ("'2026-11-22'", "2026-11-22"), ('"true"', "true"), ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"), ("0", 0),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2_and_days(text: str, expected: object) -> None:
    assert (type(expected), expected) == (type(value(text)), value(text))


def test_every_node_knows_its_line_and_column() -> None:
    tree, _ = read_yaml("a: 1\nпоток:\n  - {б: 2}\n".encode(), "f.yaml")
    assert isinstance(tree, Mapping)
    items = tree.get("поток")
    assert isinstance(items, Sequence)
    inner = items.items[0]
    assert isinstance(inner, Mapping)
    assert [tree.where, items.where, inner.where, inner.entries[0][1].where] == ["f.yaml:1:1", "f.yaml:3:3", "f.yaml:3:5", "f.yaml:3:9"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a:\n\tb: 1", "f.yaml:2:1: a tab indents this line\n  hint: indent with spaces"),
        (b"a: 1\na: 2", "f.yaml:2:1: duplicate key `a`\n  hint: it stands already at f.yaml:1:1"),
        (b"a: 1\n'a': 2", "f.yaml:2:1: duplicate key `a`\n  hint: it stands already at f.yaml:1:1"),
        (b"a: *b", "f.yaml:1:4: alias `*b` is not allowed\n  hint: write the value out"),
        (b"a: !!str 1", "f.yaml:1:4: tag `!!str` is not allowed\n  hint: remove it; quotes make a value text"),
        (b"%YAML 1.1\n---\na: 1", "f.yaml:1:1: directives are not allowed\n  hint: remove the line that begins with `%`"),
        (b"? [a]\n: 1", "f.yaml:1:3: a key must be a word\n  hint: quote it if it holds brackets or braces"),
        (b"'': 1", "f.yaml:1:1: a key is empty"),
        (b"a: 059", "f.yaml:1:4: number `059` has leading zeros\n  hint: quote it if it is a code"),
        (b"a: .nan", "f.yaml:1:4: number `.nan` is not finite\n  hint: quote it if it is a word"),
        (b"a: 9007199254740992", "f.yaml:1:4: number is too large or too long"),
        (b"a: 1e300", "f.yaml:1:4: number is too large or too long"),
        (b"a: " + b"9" * 5000, "f.yaml:1:4: number is too large or too long"),
        (b"a: 2026-02-30", "f.yaml:1:4: no such day `2026-02-30`\n  hint: write year-month-day, such as 2026-11-22"),
        (b"ok: 1\na: \xff", "f.yaml:2:4: not UTF-8 text\n  hint: save the file as UTF-8"),
        (b"a: \x07", "f.yaml:1:4: a character that is not allowed in YAML\n  hint: remove control characters"),
        (b"", "f.yaml:1:1: file is empty"),
        (b"a: [1", "f.yaml:2:1: not YAML: did not find expected ',' or ']'\n  hint: check brackets, quotes and indentation"),
    ],
)
def test_what_makes_a_file_mean_two_things_is_refused_with_its_place(data: bytes, expected: str) -> None:
    assert expected == fault(data)


def test_several_faults_are_told_at_once() -> None:
    told = fault(b"a: &x 1\nb: 007\nc: !t 2\nc: 3\n")
    expected = ["f.yaml:1:4", "f.yaml:2:4", "f.yaml:3:4", "f.yaml:4:1"]
    assert expected == [line.partition(": ")[0] for line in told.splitlines() if line.startswith("f")]


def test_a_file_of_50_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    before = time.perf_counter()
    tree, faults = read_yaml(path, "big.yaml")
    assert time.perf_counter() - before < 0.5
    assert tree is None
    assert [str(found) for found in faults] == [
        "big.yaml:1:1: file is too large: 50000000 bytes, at most 2000000 are read\n  hint: split it into several files"
    ]


@pytest.mark.parametrize("opening", [b"[", b"{", b"- ", b"{a: ", b"? "])
def test_nesting_is_bounded_however_it_is_written(opening: bytes) -> None:
    before = time.perf_counter()
    told = fault(opening * 300_000)
    assert time.perf_counter() - before < 2
    assert "nested deeper than 40 levels" in told


def test_the_number_of_nodes_is_bounded() -> None:
    assert "more than 10 nodes" in fault(b"[1,2,3,4,5,6,7,8,9,10,11]", Limits(nodes=10))


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b"])
def test_a_path_that_is_no_file_is_a_fault_and_not_an_exception(name: str, tmp_path: Path) -> None:
    tree, faults = read_yaml(tmp_path / name, "f.yaml")
    assert tree is None
    assert len(faults) == 1


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    tree, faults = read_yaml(data, "f.yaml")
    assert (tree is None) == bool(faults)


yaml_like = st.lists(
    st.sampled_from(["a", "b: ", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "'", '"', "|\n", ">-\n", "? ", "#", "---\n", "...\n", "%", "2026-02-30", "007", "NO", "\u2028", "\x85", "é", "𝔘", "\\"]),
    max_size=40,
).map("".join)  # fmt: skip


@given(yaml_like)
def test_no_text_made_of_yaml_marks_makes_the_reader_raise(text: str) -> None:
    tree, faults = read_yaml(text.encode(), "f.yaml")
    assert (tree is None) == bool(faults)
    for found in faults:
        file, line, column = found.where.rsplit(":", 2)
        assert (file, int(line) >= 1, int(column) >= 1) == ("f.yaml", True, True)


words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=10)
trees = st.recursive(st.booleans() | st.none() | st.integers(-(2**53) + 1, 2**53 - 1) | words, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=15)


def plain(node: object) -> object:
    match node:
        case Mapping(entries=entries):
            return {key.text: plain(item) for key, item in entries}
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Scalar():
            return node.value
        case _:
            raise AssertionError


@given(trees)
def test_json_is_read_as_what_it_says(tree: object) -> None:
    read, faults = read_yaml(json.dumps(tree, ensure_ascii=False).encode(), "f.yaml")
    assert faults == ()
    assert tree == plain(read)
