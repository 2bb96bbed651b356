"""Names, addresses and numbers that a record does not know, found by the words around them.

Guarantees: only what the word lists announce is found (a title before a capitalised word, a street word with
a number, a cue before a number): nothing is guessed from a capital letter alone.

Example:
    >>> # find_by_cues(words, "visited by Frau Anna von Stein")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from governance.deidentify.known import Kind, Span, Token, tokens_of
from governance.deidentify.words import Words, fold

__all__ = ["find_by_cues", "language_of"]

_LONGEST_NAME = 4
_NUMBER = re.compile(r"[A-Za-z]{0,3}[-/ ]?\d(?:[\w./\-]{0,3}\d|[ ]\d){3,}[A-Za-z]?")


def language_of(words: Words, text: str) -> str | None:
    """Tell the language of a text by its small words, or None where two are as likely."""
    tokens = [token.word for token in tokens_of(fold(text))]
    scores = sorted(
        ((sum(word in listed for word in tokens), language) for language, listed in words.language_words.items()),
        reverse=True,
    )
    if not scores or scores[0][0] < 2 or (len(scores) > 1 and scores[0][0] == scores[1][0]):
        return None
    return scores[0][1]


def find_by_cues(words: Words, text: str) -> list[Span]:
    """Find names after titles and cue words, addresses around street words, numbers after number words."""
    tokens = tokens_of(fold(text))
    return [*_names(words, text, tokens), *_streets(words, text, tokens), *_numbers(words, text, tokens)]


def _is_capital(text: str, token: Token) -> bool:
    """Say whether a word is written as names are: a capital first, or a script without capitals."""
    first = text[token.start]
    return first.isupper() or (first.isalpha() and first.lower() == first.upper())


def _run(words: Words, text: str, tokens: Sequence[Token], n: int) -> int:
    """Return the position after the capitalised words (with particles between them) from n on."""
    end = n
    while n < len(tokens) and n - end < 2 and end - n < _LONGEST_NAME:
        token = tokens[n]
        if n and not re.fullmatch(r"[ \t.'\u2019\-]{0,3}", text[tokens[n - 1].end : token.start]):
            break
        if text[tokens[n - 1].end : token.start].startswith(".") and n > 0 and _ends_sentence(words, tokens[n - 1]):
            break
        if _is_capital(text, token) and not token.word.isdigit():
            end = n + 1
        elif token.word not in words.particles:
            break
        n += 1
    return end


def _ends_sentence(words: Words, token: Token) -> bool:
    """Say whether a full stop after this word ends a sentence (it does not after a title or initial)."""
    return len(token.word) > 1 and token.word not in words.titles


def _names(words: Words, text: str, tokens: Sequence[Token]) -> Iterator[Span]:
    for n, token in enumerate(tokens):
        titled = token.word in words.titles and (
            token.word not in words.capital_titles
            or (text[token.start].isupper() and text[token.end : token.end + 1] in (".", " "))
        )
        if not titled and token.word not in words.name_cues:
            continue
        start = n + 1
        while start < len(tokens) and tokens[start].word in words.titles:
            start += 1
        if start >= len(tokens) or not re.fullmatch(r"[ \t.:]{1,3}", text[tokens[start - 1].end : tokens[start].start]):
            continue
        end = _run(words, text, tokens, start)
        long_enough = end > start if titled else end - start >= 2
        if long_enough and not (not titled and all(t.word in words.common for t in tokens[start:end])):
            yield Span(tokens[start].start, tokens[end - 1].end, Kind.NAME)


def _streets(words: Words, text: str, tokens: Sequence[Token]) -> Iterator[Span]:
    for n, token in enumerate(tokens):
        if not token.word.isdigit() and not _is_capital(text, token) and token.word not in words.streets_before:
            continue
        if token.word in words.streets_before:
            end = _run(words, text, tokens, n + 1)
            following = tokens[end] if end < len(tokens) else None
            if end > n + 1 and following and following.word.isdigit() and following.start - tokens[end - 1].end < 7:
                yield Span(token.start, following.end, Kind.ADDRESS)
        elif token.word in words.streets_after and token.word not in words.titles and n >= 1:
            yield from _street_before(text, tokens, n)
        elif token.word.endswith(words.street_suffixes) and len(token.word) > 6:
            following = tokens[n + 1] if n + 1 < len(tokens) else None
            if following and following.word.isdigit() and following.start - token.end < 3:
                yield Span(token.start, following.end, Kind.ADDRESS)


def _street_before(text: str, tokens: Sequence[Token], n: int) -> Iterator[Span]:
    """Find `12 Oak Hill Road` and `Lange Strasse 5`."""
    start = n
    while start > 0 and n - start < 3 and _is_capital(text, tokens[start - 1]) and _is_next(text, tokens, start):
        start -= 1
    if start == n:
        return
    if start > 0 and tokens[start - 1].word.isdigit() and _is_next(text, tokens, start):
        yield Span(tokens[start - 1].start, tokens[n].end, Kind.ADDRESS)
    elif n + 1 < len(tokens) and tokens[n + 1].word.isdigit() and tokens[n + 1].start - tokens[n].end <= 2:
        yield Span(tokens[start].start, tokens[n + 1].end, Kind.ADDRESS)


def _is_next(text: str, tokens: Sequence[Token], n: int) -> bool:
    """Say whether only a space or hyphen stands before a word."""
    return text[tokens[n - 1].end : tokens[n].start] in (" ", "-", ", ")[: 3 if tokens[n - 1].word.isdigit() else 2]


def _numbers(words: Words, text: str, tokens: Sequence[Token]) -> Iterator[Span]:
    for token in tokens:
        if token.word in words.number_cues:
            match = re.match(r"[\s.:#°º]{0,4}", text[token.end : token.end + 4])
            at = token.end + (match.end() if match else 0)
            number = _NUMBER.match(text, at)
            if number and at > token.end:
                yield Span(number.start(), number.end(), Kind.NUMBER)
