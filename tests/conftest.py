"""What every room's tests share: the data that stays outside the repository, and how Hypothesis searches."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "long",
    settings.get_profile("ci"),
    derandomize=False,
    max_examples=3000,
    deadline=timedelta(seconds=20),
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared data, or skip."""
    folder = os.environ.get("SAFE_CONDUCT_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("shared data absent")
    return Path(folder)
