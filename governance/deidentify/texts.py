"""Methods for elements that hold text: free text, narrative, attachments, base64.

Guarantees: text crosses only through the subject's scrubber; a narrative keeps the structure of its
blocks, no attribute, link, comment or script; of an attachment only text is kept, everything else removed.
"""

from __future__ import annotations

import base64
import binascii
import re
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from governance.deidentify.methods import Json

if TYPE_CHECKING:
    from governance.deidentify.subject import Subject

__all__ = ["plain_text", "scrub_attachment", "scrub_base64", "scrub_narrative", "scrub_text"]

_BLOCKS = frozenset({"p", "div", "br", "ul", "ol", "li", "table", "tbody", "thead", "tr", "td", "th", "h1", "h2", "h3",
                     "h4", "h5", "h6", "dl", "dt", "dd", "blockquote", "pre", "hr"})  # fmt: skip
_EMPTY = frozenset({"br", "hr"})
_SILENT = frozenset({"script", "style", "head", "title", "object", "iframe"})
_MEDIA = re.compile(r"[a-z]+/[a-z0-9.+-]{1,40}")
_LONGEST = 4 * 1024 * 1024
"""Longest text that is scrubbed, in characters; longer ones are removed."""


def scrub_text(value: Json, subject: Subject) -> Json:
    """Take the identifying words out of a free text."""
    if type(value) is not str or subject.scrub is None or len(value) > _LONGEST:
        return None
    subject.text_scrubbed += 1
    return subject.scrub(value)


class _Narrative(HTMLParser):
    """Reads XHTML as blocks of text; inline tags vanish, so that a name split by them is whole again."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[str, str]] = []  # ("tag", "<p>") or ("text", "...")
        self.open: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _SILENT:
            self.silent += 1
        elif tag in _EMPTY:
            self.pieces.append(("tag", f"<{tag}/>"))
        elif tag in _BLOCKS and not self.silent:
            self.open.append(tag)
            self.pieces.append(("tag", f"<{tag}>"))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in self.open:
            while self.open:
                last = self.open.pop()
                self.pieces.append(("tag", f"</{last}>"))
                if last == tag:
                    break

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _EMPTY:
            self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        if self.pieces and self.pieces[-1][0] == "text":
            self.pieces[-1] = ("text", self.pieces[-1][1] + data)
        else:
            self.pieces.append(("text", data))

    def closed(self) -> list[tuple[str, str]]:
        self.close()
        return self.pieces + [("tag", f"</{tag}>") for tag in reversed(self.open)]


def _pieces(markup: str) -> list[tuple[str, str]]:
    parser = _Narrative()
    parser.feed(markup)
    return parser.closed()


def plain_text(markup: str) -> str:
    """Return the text of XHTML, a line for each block."""
    return "".join(content if kind == "text" else "\n" for kind, content in _pieces(markup))


def _scrub_markup(markup: str, subject: Subject) -> str:
    scrub = subject.scrub
    return "".join(
        content if kind == "tag" else escape(scrub(content) if scrub and content.strip() else content, quote=False)
        for kind, content in _pieces(markup)
    )


def scrub_narrative(value: Json, subject: Subject) -> Json:
    """Scrub a narrative (FHIR R4, narrative: status and div, only basic XHTML)."""
    if type(value) is not dict or subject.scrub is None:
        return None
    markup = value.get("div")
    if type(markup) is not str or len(markup) > _LONGEST:
        return None
    subject.text_scrubbed += 1
    body = _scrub_markup(markup, subject)
    if body.startswith("<div>") and body.endswith("</div>"):
        body = body[len("<div>") : -len("</div>")]
    if not body.strip():
        return None
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}


def _decode(data: Json) -> str | None:
    """Decode base64 of text; None if it is no text."""
    if type(data) is not str or len(data) > 2 * _LONGEST:
        return None
    try:
        raw = base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError):
        return None
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text if "\0" not in text else None
    return None


def _scrub_data(data: Json, content_type: Json, subject: Subject) -> str | None:
    media = content_type.partition(";")[0].strip().lower() if type(content_type) is str else ""
    text = _decode(data) if media in ("text/plain", "text/html", "text/markdown", "text/csv") else None
    if text is None or subject.scrub is None:
        return None
    subject.text_scrubbed += 1
    scrubbed = _scrub_markup(text, subject) if media == "text/html" else subject.scrub(text)
    return base64.b64encode(scrubbed.encode()).decode("ascii")


def scrub_attachment(value: Json, subject: Subject) -> Json:
    """Scrub an attachment that is text; of any other only the kind of document stays.

    Links, hashes and sizes of the original go: they lead back to it.
    """
    if type(value) is not dict:
        return None
    declared = value.get("contentType")
    media = declared.partition(";")[0].strip().lower() if type(declared) is str else ""
    out: dict[str, Json] = {}
    if _MEDIA.fullmatch(media) and not subject.known.appears_in(media):
        out["contentType"] = media
        data = _scrub_data(value.get("data"), media, subject)
        if data is not None:
            out["contentType"], out["data"] = f"{media}; charset=utf-8", data
    title = value.get("title")
    if type(title) is str and subject.scrub is not None:
        out["title"] = subject.scrub(title)
    return out or None


def scrub_base64(value: Json, subject: Subject) -> Json:
    """Scrub the bytes of a Binary, whose media type the walk has noted."""
    return _scrub_data(value, subject.media_type, subject)
