"""What the tests of this room share: profiles, plans, keys, and the shared data where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from governance.deidentify.plan import Plan, compile_plan
from governance.deidentify.profile import load_profile
from governance.deidentify.pseudonyms import SubjectKeys
from governance.deidentify.text import TextCleaner
from governance.deidentify.words import Words, load_words

FOLDER = Path(__file__).parents[2] / "policies" / "deidentification"


@pytest.fixture(scope="session")
def words() -> Words:
    return load_words(FOLDER)


@pytest.fixture(scope="session")
def cleaner(words) -> TextCleaner:
    return TextCleaner(words, highest_age=89)


@pytest.fixture(scope="session")
def safe_harbor(words) -> Plan:
    return compile_plan(load_profile(FOLDER, "safe-harbor"), words)


@pytest.fixture(scope="session")
def pseudonymised(words) -> Plan:
    return compile_plan(load_profile(FOLDER, "gdpr-pseudonymised"), words)


@pytest.fixture(scope="session")
def synthea() -> Path:
    shared = os.environ.get("SAFE_CONDUCT_SHARED")
    if not shared or not (Path(shared) / "data" / "synthea-r4").is_dir():
        pytest.skip("shared data absent")
    return Path(shared) / "data" / "synthea-r4"


@pytest.fixture
def keys() -> SubjectKeys:
    return keys_of(1)


def keys_of(n: int, recipient: str = "biobank") -> SubjectKeys:
    return SubjectKeys.derive(
        bytes([7]) * 32, n.to_bytes(16, "big"), recipient=recipient, purpose="disease-research", version=1
    )
