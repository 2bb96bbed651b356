"""What every room's tests share: the data that stays outside the repository, and how Hypothesis searches.

Profile `ci` is deterministic and bounded, and does not shrink (a failing example is named as drawn); `long`
searches on its own and shrinks: `HYPOTHESIS_PROFILE=long`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=25,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.register_profile(
    "long",
    settings.get_profile("ci"),
    derandomize=False,
    max_examples=3000,
    phases=tuple(Phase),
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
