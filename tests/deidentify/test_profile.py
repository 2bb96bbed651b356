"""Profiles: all faults at once with their places; nothing unnamed is kept."""

from __future__ import annotations

import shutil

import pytest

from governance.deidentify.documents import parse_document
from governance.deidentify.profile import Method, load_profile
from governance.errors import InputError
from tests.deidentify.conftest import FOLDER


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "p")
    return tmp_path / "p"


def changed(folder, *pairs):
    file = folder / "safe-harbor.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_profiles_are_read(folder):
    one = load_profile(folder, "safe-harbor")
    assert (one.rule("date").method, one.rule("no-such-kind").method) == (Method.YEAR, Method.REMOVE)
    assert one.rule("date").where.startswith("safe-harbor.yaml:")
    assert one.digest == load_profile(FOLDER, "safe-harbor").digest


def test_every_fault_is_told_at_once_with_its_place(folder):
    changed(folder, ("    code: keep", "    codee: keep"), ("    text: remove", "    text: keep"), ("    date: year", "    date: yeer"),
            ("    Location.address:", "    Location.adress:"), ("data.meets: [hipaa", "data.meets: [gdpr-anonymous, hipaa"))  # fmt: skip
    with pytest.raises(InputError) as caught:
        load_profile(folder, "safe-harbor")
    told = "\n".join(map(str, caught.value.diagnostics))
    for fault in ("unknown kind `codee`", "`keep` cannot be applied to `text`", "unknown method `yeer`",
                  "unknown element `Location.adress`", "`gdpr-anonymous` is claimed but not checked"):  # fmt: skip
        assert fault in told
    assert all(diagnostic.where.startswith("safe-harbor.yaml:") for diagnostic in caught.value.diagnostics)


def test_the_digest_changes_with_the_profile_and_with_its_base(folder):
    before = load_profile(folder, "safe-harbor").digest
    changed(folder, ("title: HIPAA", "title: The HIPAA"))
    middle = load_profile(folder, "safe-harbor").digest
    base = folder / "fhir-r4.base.yaml"
    base.write_text(base.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    assert len({before, middle, load_profile(folder, "safe-harbor").digest}) == 3


@pytest.mark.parametrize(("text", "message"), [
    ("a: 1\na: 2", "has faults"), ("a: &x 1\nb: *x", "aliases"), ("a: !!python/name:os.system x", "aliases and tags"),
    ("a: [1", "not readable"), ("? [x]\n: 1", "has faults")])  # fmt: skip
def test_yaml_that_could_surprise_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_document(text, "x.yaml")


def test_yaml_is_read_as_1_2():
    assert parse_document("a: NO\nb: yes\nc: true\nd: 007x\ne: 1.5\nf: '1'", "x").value == {
        "a": "NO", "b": "yes", "c": True, "d": "007x", "e": 1.5, "f": "1"}  # fmt: skip


def test_an_unreadable_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(InputError) as caught:
        load_profile(tmp_path, "absent")
    assert caught.value.where == "absent.yaml"
