"""Keys: wrapped at rest, written before use, gone when destroyed."""

from __future__ import annotations

import secrets

import pytest

from governance.errors import ConflictError, FaultError, InputError, IntegrityError
from governance.keys import FileKeyRing, KeyStore, derive


@pytest.fixture
def store(tmp_path):
    made = KeyStore(tmp_path / "keys.db", FileKeyRing.open(tmp_path / "ring.json"))
    yield made
    made.close()


def everything_on_disk(tmp_path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()) if path.name.startswith("keys"))


def test_hkdf_gives_the_answer_of_rfc_5869_case_3() -> None:
    # RFC 5869 appendix A.3: zero-length salt and info
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert derive(b"\x0b" * 22, "", 42).hex() == expected


def test_keys_survive_reopening_and_no_key_lies_unwrapped(tmp_path, store) -> None:
    store.create_subjects("a", ["s1"])
    keys = [store.tenant_key("a"), store.subject_key("a", "s1"), store.surrogate("a", "s1"), store.recipient_key("a", "r")]
    again = KeyStore(tmp_path / "keys.db", FileKeyRing.open(tmp_path / "ring.json"))
    assert keys == [again.tenant_key("a"), again.subject_key("a", "s1"), again.surrogate("a", "s1"), again.recipient_key("a", "r")]
    again.close()
    disk = everything_on_disk(tmp_path)
    assert all(key not in disk and key.hex().encode() not in disk for key in keys)
    assert len(store.surrogate("a", "s1")) == 16


def test_tenants_recipients_and_subjects_never_share_a_key(store) -> None:
    store.create_subjects("a", ["s1", "s2"])
    store.create_subjects("b", ["s1"])
    keys = [store.tenant_key("a"), store.tenant_key("b"), store.index_key("a"), store.recipient_key("a", "x"),
            store.recipient_key("a", "y"), store.recipient_key("a", "x", 2), store.subject_key("a", "s1"),
            store.subject_key("a", "s2"), store.subject_key("b", "s1")]
    assert len(set(keys)) == len(keys)


def test_a_subject_that_was_never_registered_has_no_key(store) -> None:
    assert store.subject_key("a", "nobody") is None
    with pytest.raises(ConflictError, match="no key"):
        store.seal("a", "nobody", b"x", "facts")


def test_sealed_bytes_open_only_where_they_belong(store) -> None:
    store.create_subjects("a", ["s1", "s2"])
    sealed = store.seal("a", "s1", b"born in May", "facts")
    assert store.open("a", "s1", sealed, "facts") == b"born in May"
    for tenant, ref, purpose in (("a", "s2", "facts"), ("a", "s1", "consent")):
        with pytest.raises(IntegrityError):
            store.open(tenant, ref, sealed, purpose)
    with pytest.raises(IntegrityError):
        store.open("a", "s1", sealed[:-1] + bytes([sealed[-1] ^ 1]), "facts")


def test_a_destroyed_key_is_gone_from_the_files_and_is_not_made_anew(tmp_path, store) -> None:
    store.create_subjects("a", ["s1"])
    sealed = store.seal("a", "s1", b"secret", "facts")
    wrapped = store._connection.execute("SELECT wrapped FROM key WHERE kind='subject'").fetchone()[0]
    assert wrapped in everything_on_disk(tmp_path)
    store.destroy_subject("a", "s1")
    assert wrapped not in everything_on_disk(tmp_path)
    assert store.open("a", "s1", sealed, "facts") is None
    store.create_subjects("a", ["s1"])
    assert store.subject_key("a", "s1") is None


def test_the_ring_rotates_and_old_keys_still_open(tmp_path) -> None:
    ring = tmp_path / "ring.json"
    store = KeyStore(tmp_path / "keys.db", FileKeyRing.open(ring))
    before = store.tenant_key("a")
    store.close()
    assert FileKeyRing.rotate(ring) == "r2"
    store = KeyStore(tmp_path / "keys.db", FileKeyRing.open(ring))
    assert store.tenant_key("a") == before
    assert store._connection.execute("SELECT DISTINCT root FROM key").fetchall() == [("r1",)]
    store.index_key("a")
    assert ("r2",) in store._connection.execute("SELECT DISTINCT root FROM key").fetchall()
    store.close()


def test_another_ring_does_not_open_the_store(tmp_path, store) -> None:
    store.tenant_key("a")
    other = KeyStore(tmp_path / "keys.db", FileKeyRing.open(tmp_path / "other.json"))
    with pytest.raises(IntegrityError, match="key ring"):
        other.tenant_key("a")
    other.close()


def test_a_ring_that_others_may_read_or_that_is_broken_is_refused(tmp_path) -> None:
    path = tmp_path / "ring.json"
    FileKeyRing.open(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="read by others"):
        FileKeyRing.open(path)
    path.chmod(0o600)
    path.write_text("{broken")
    with pytest.raises(InputError, match="not readable"):
        FileKeyRing.open(path)


def test_surrogates_are_random_and_not_derived(tmp_path, store) -> None:
    store.create_subjects("a", [f"s{i}" for i in range(50)])
    seen = {store.surrogate("a", f"s{i}") for i in range(50)}
    assert len(seen) == 50
    assert secrets.token_bytes(16) not in seen


def test_a_key_store_that_cannot_be_written_says_so_and_stays_usable(store) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(FaultError, match="could not be written"):
        store.create_subjects("a", [f"s{i}" for i in range(2000)])
    assert store.subject_key("a", "s1") is None
    store._connection.execute("PRAGMA max_page_count=1000000")
    store.create_subjects("a", ["s1"])
    assert store.subject_key("a", "s1") is not None
