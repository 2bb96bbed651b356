"""Logs: what is not on the list of keys never appears."""

from __future__ import annotations

import io
import json

from governance.logs import ALLOWED_KEYS, configure_logs, get_log


def test_a_key_that_is_not_allowed_is_dropped_and_counted() -> None:
    out = io.StringIO()
    configure_logs(out)
    get_log().info("decided", effect="deny", patient="CANARY-Amina", reason="CANARY-note")
    line = json.loads(out.getvalue())
    assert "CANARY" not in out.getvalue()
    assert (line["event"], line["effect"], line["dropped"]) == ("decided", "deny", 2)


def test_an_exceptions_text_never_reaches_the_log() -> None:
    out = io.StringIO()
    configure_logs(out)
    try:
        raise ValueError("CANARY-Amina")
    except ValueError:
        get_log().exception("failed", error_type="ValueError")
    assert "CANARY" not in out.getvalue()
    assert json.loads(out.getvalue())["error_type"] == "ValueError"


def test_no_allowed_key_could_carry_a_patient() -> None:
    assert not {"name", "patient", "subject", "reason", "value", "path", "file", "exception", "exc_info"} & ALLOWED_KEYS
