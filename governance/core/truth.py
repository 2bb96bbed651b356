"""Four-valued truth: false < unknown < human < true.

``and`` is the minimum, ``or`` the maximum; ``not`` swaps false and true and leaves the middle alone.

Example:
    >>> negate(Truth.UNKNOWN) is Truth.UNKNOWN
    True
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Truth", "negate", "truth"]


class Truth(IntEnum):
    """How far a rule's condition holds."""

    FALSE = 0
    UNKNOWN = 1
    """A fact that was not given would decide."""
    HUMAN = 2
    """A person's judgement is wanted."""
    TRUE = 3


_NEGATED = (Truth.TRUE, Truth.UNKNOWN, Truth.HUMAN, Truth.FALSE)


def negate(value: Truth) -> Truth:
    """Swap false and true; leave unknown and human."""
    return _NEGATED[value]


def truth(value: bool) -> Truth:  # noqa: FBT001 - the one place where a bool becomes a truth
    """Turn a two-valued answer into a truth."""
    return Truth.TRUE if value else Truth.FALSE
