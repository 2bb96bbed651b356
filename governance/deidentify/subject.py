"""A subject while its record is transformed: keys, what is known to identify it, and what was already done.

Guarantees: everything here belongs to one subject and one release; two subjects share nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from governance.deidentify.known import Known
from governance.deidentify.methods import Json
from governance.deidentify.nodes import Program
from governance.deidentify.profile import Codes, Profile
from governance.deidentify.pseudonyms import SubjectKeys

__all__ = ["Subject", "TextScrubber"]

TextScrubber = Callable[[str], str]
"""Takes the identifying words out of a text."""

_LONGEST_CODE = 256
_CODE = re.compile(r"[^\s@]+(?: [^\s@]+)*")


class Subject:
    """One subject in one release.

    Attributes:
        references: a reference as written in the input, to the new Reference; shared, never changed.
        local: the same for contained resources of the resource at hand (``#id``).
        used: contained resources that something referred to.
        last_hidden_year: years up to this one show an age above the highest.
        is_over_age: the subject is (or may be) older than the highest age that may be told.
        done: what was done to objects, to how many of them.
        removed: slot of the plan to how many values a method removed.
        scrub: cleans free text, or None where text may not cross.
        text_scrubbed: how many texts went through the scrubber.
    """

    __slots__ = (
        "_last", "_ordinals", "_public", "address_country", "codes", "concepts", "dates", "days", "done",
        "highest_age", "is_over_age", "keys", "known", "last_hidden_year", "local", "media_type",
        "references", "removed", "safe_codes", "safe_labels", "scrub", "states", "text_scrubbed", "used",
    )  # fmt: skip

    def __init__(
        self,
        *,
        profile: Profile,
        keys: SubjectKeys,
        known: Known,
        states: dict[str, str],
        at: date,
        birth_year: int | None,
        death_year: int | None,
        scrub: TextScrubber | None,
    ) -> None:
        self.keys = keys
        self.known = known
        self.scrub = scrub
        self.codes = profile.codes
        self.states = states
        self.address_country: Json = None
        self.media_type: Json = None
        self.references: dict[str, dict[str, str]] = {}
        self.local: dict[str, dict[str, str]] = {}
        self.used: set[str] = set()
        self.safe_codes: set[str] = set()
        self.safe_labels: set[str] = set()
        self.dates: dict[str, str | None] = {}
        self.concepts: dict[tuple[Json, ...], Json] = {}
        self.done: dict[Program, int] = {}
        self.removed: dict[int, int] = {}
        self.days: dict[str, str | None] = {}
        self.text_scrubbed = 0
        self._ordinals: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        self._public = profile.base.public_systems
        self.highest_age = profile.ages.highest if profile.ages else 10**6
        last = death_year if death_year is not None else at.year
        self.last_hidden_year = last - self.highest_age - 1
        self.is_over_age = birth_year is not None and birth_year <= self.last_hidden_year

    def code(self, field: str, value: str) -> str:
        """Return the pseudonym of a value: from the value itself, or from its running number in the field."""
        return self.keys.pseudonym(field, self._source(field, value))

    def resource_id(self, resource_type: str, resource_id: str) -> str:
        """Return the new id of a resource."""
        return self.keys.resource_id(resource_type, self._source(f"id/{resource_type}", resource_id))

    def _source(self, field: str, value: str) -> str:
        if self.codes is Codes.FROM_VALUES:
            return value
        key = (field, value)
        number = self._ordinals.get(key)
        if number is None:
            number = self._ordinals[key] = self._last[field] = self._last.get(field, 0) + 1
        return str(number)

    def is_public(self, system: str) -> bool:
        """Say whether a code system is one that anybody can look up."""
        return system.startswith(self._public)

    def is_safe_code(self, text: str) -> bool:
        """Say whether a code is no value of the subject's own, and remember it."""
        if len(text) > _LONGEST_CODE or not _CODE.fullmatch(text) or self.known.is_value(text):
            return False
        self.safe_codes.add(text)
        return True

    def is_safe_label(self, text: str) -> bool:
        """Say whether the printed form of a code holds nothing of the subject's own, and remember it."""
        if len(text) > 4 * _LONGEST_CODE or self.known.appears_in(text):
            return False
        self.safe_labels.add(text)
        return True
