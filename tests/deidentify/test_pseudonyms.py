"""Keys, pseudonyms and shifts: known answers and laws."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.deidentify.pseudonyms import SubjectKeys, context, hkdf_sha256

KEY, SURROGATE = bytes(range(32)), bytes(range(16))


def derive(key=KEY, surrogate=SURROGATE, **changed):
    return SubjectKeys.derive(key, surrogate, **{"recipient": "r", "purpose": "p", "version": 1, **changed})


@pytest.mark.parametrize(("ikm", "salt", "info", "length", "okm"), [
    # RFC 5869, appendix A.1, A.2 (shortened to its first bytes' length), A.3
    ("0b" * 22, "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 42,
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    ("0b" * 22, "", "", 42,
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
])  # fmt: skip
def test_hkdf_gives_the_answers_of_rfc_5869(ikm, salt, info, length, okm):
    assert hkdf_sha256(bytes.fromhex(ikm), bytes.fromhex(salt), bytes.fromhex(info), length).hex() == okm


@given(st.binary(min_size=16, max_size=16))
def test_the_shift_is_never_zero_and_never_more_than_a_year(surrogate):
    assert 1 <= abs(derive(surrogate=surrogate).shift_days) <= 365


def test_shifts_go_both_ways_and_reach_far():
    shifts = [derive(surrogate=n.to_bytes(16, "big")).shift_days for n in range(2000)]
    assert min(shifts) < -355
    assert max(shifts) > 355
    assert 0.4 < sum(shift > 0 for shift in shifts) / 2000 < 0.6


@pytest.mark.parametrize("other", [
    {"recipient": "other"}, {"purpose": "other"}, {"version": 2}, {"key": bytes(32)}, {"surrogate": bytes(16)},
])  # fmt: skip
def test_two_recipients_purposes_versions_or_subjects_cannot_link(other):
    one, two = derive(), derive(**other)
    assert one.pseudonym("identifier", "v") != two.pseudonym("identifier", "v")
    assert one.resource_id("Patient", "1") != two.resource_id("Patient", "1")


def test_the_same_inputs_give_the_same_names_and_128_bits_of_them():
    one = derive()
    assert one.pseudonym("identifier", "v") == derive().pseudonym("identifier", "v")
    assert len(bytes.fromhex(one.pseudonym("identifier", "v"))) == 16
    assert len(one.resource_id("Patient", "1").replace("-", "")) == 32
    assert one.pseudonym("identifier", "v") != one.pseudonym("uid", "v")
    assert one.resource_id("Patient", "1") != one.resource_id("Observation", "1")


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_no_two_contexts_have_the_same_bytes(one, two):
    def encode(parts):
        return context(recipient=parts[0], purpose=parts[1], name=parts[2], version=1)

    assert (encode(one) == encode(two)) == (one == two)


def test_the_frozen_answers_do_not_change():
    one = derive()
    assert (one.shift_days, one.pseudonym("identifier", "value"), one.resource_id("Patient", "1")) == FROZEN


FROZEN = (-268, "729d4179e13f8fe284340590e8935c7a", "c066f973-d19d-c192-1165-3f3f519cbe24")


def test_short_keys_are_refused_and_nothing_secret_is_printed():
    with pytest.raises(ValueError, match="16 bytes"):
        derive(surrogate=b"short")
    assert KEY.hex() not in repr(derive())
    assert repr(KEY) not in repr(derive())


def test_a_pseudonym_is_an_hmac_under_the_derived_key_of_its_field():
    keys = derive()
    key = hkdf_sha256(KEY, SURROGATE, context(recipient="r", purpose="p", name="identifier", version=1))
    expected = hmac.digest(key, b"4711", "sha256")[:16].hex()
    made = SubjectKeys.derive(KEY, SURROGATE, recipient="r", purpose="p", version=1).pseudonym("identifier", "4711")
    assert expected == made
    assert keys.pseudonym("identifier", "4711") == keys.pseudonym("identifier", "4711")
