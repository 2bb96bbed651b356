"""Presidio's recognisers on a blank spaCy pipeline: no model, no network.

Guarantees: nothing is downloaded (the pipeline is blank, the list of public suffixes is the bundled one);
presidio and spaCy are imported on the first text, not before.

Example:
    >>> # Recognisers(("EmailRecognizer",), at_least=0.4, phone_regions=()).find("write to a@b.org")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from governance.deidentify.known import Kind, Span

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

__all__ = ["Recognisers"]

_LANGUAGE: Final = "en"
"""The one language label that every recogniser is registered under; the pipeline knows none."""

_CONTACTS: Final = frozenset({"EMAIL_ADDRESS", "URL", "IP_ADDRESS", "PHONE_NUMBER", "MAC_ADDRESS"})


class Recognisers:
    """Named recognisers of Presidio, made on first use."""

    def __init__(self, classes: tuple[str, ...], *, at_least: float, phone_regions: tuple[str, ...]) -> None:
        self._classes = classes
        self._at_least = at_least
        self._phone_regions = phone_regions
        self._engine: AnalyzerEngine | None = None

    def find(self, text: str) -> list[Span]:
        """Find e-mail addresses, numbers with checksums and the like."""
        if self._engine is None:
            self._engine = _engine(self._classes, self._phone_regions)
        results = self._engine.analyze(text, language=_LANGUAGE, score_threshold=self._at_least)
        return [
            Span(one.start, one.end, Kind.CONTACT if one.entity_type in _CONTACTS else Kind.NUMBER) for one in results
        ]


def _engine(classes: Iterable[str], phone_regions: tuple[str, ...]) -> AnalyzerEngine:
    """Put the analyser together."""
    import presidio_analyzer.predefined_recognizers as offered  # noqa: PLC0415 - seconds and 100 MB, on first text
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from tldextract import TLDExtract, tldextract  # noqa: PLC0415

    # Presidio calls the module's default extractor, which would fetch the list of suffixes.
    tldextract.TLD_EXTRACTOR = TLDExtract(suffix_list_urls=(), cache_dir=None)
    recognisers: list[Any] = []
    for name in classes:
        make: Any = getattr(offered, name)
        extra = {"supported_regions": phone_regions} if name == "PhoneRecognizer" else {}
        recognisers.append(make(supported_language=_LANGUAGE, **extra))
    registry = RecognizerRegistry(recognizers=recognisers, supported_languages=[_LANGUAGE])
    return AnalyzerEngine(registry=registry, nlp_engine=_blank_pipeline(), supported_languages=[_LANGUAGE])


def _blank_pipeline() -> Any:  # noqa: ANN401, C901 - presidio wants ten methods; presidio's base class is untyped
    """Return an NlpEngine that only splits words."""
    import spacy  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine  # noqa: PLC0415

    class BlankEngine(NlpEngine):
        """A tokenizer for any language; the word itself stands for its lemma."""

        def __init__(self) -> None:
            self._pipeline = spacy.blank("xx")

        def load(self) -> None:
            """Do nothing: there is no model."""

        def is_loaded(self) -> bool:
            """Say that it is ready."""
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            """Split a text."""
            doc = self._pipeline.make_doc(text)
            return NlpArtifacts(
                entities=[],
                tokens=doc,
                tokens_indices=[token.idx for token in doc],
                lemmas=[token.text.lower() for token in doc],
                nlp_engine=self,
                language=language,
            )

        def process_batch(
            self, texts: Iterable[str], language: str, *_: object, **__: object
        ) -> Iterator[tuple[str, NlpArtifacts]]:
            """Split texts one by one."""
            for text in texts:
                yield text, self.process_text(text, language)

        def is_stopword(self, word: str, language: str) -> bool:
            """Know no stop words."""
            del word, language
            return False

        def is_punct(self, word: str, language: str) -> bool:
            """Say whether nothing of a word is a letter or digit."""
            del language
            return not any(character.isalnum() for character in word)

        def get_supported_entities(self) -> list[str]:
            """Find nothing itself."""
            return []

        def get_supported_languages(self) -> list[str]:
            """Return the one label."""
            return [_LANGUAGE]

    return BlankEngine()
