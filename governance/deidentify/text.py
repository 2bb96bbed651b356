"""Free text: take identifying words out, keep the rest."""

from __future__ import annotations

from governance.deidentify.known import Known
from governance.deidentify.subject import TextScrubber

__all__ = ["TextCleaner"]


class TextCleaner:
    def for_record(self, known: Known, *, shift_days: int, language: str | None) -> TextScrubber:
        raise NotImplementedError
