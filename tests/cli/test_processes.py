"""The installed command as a process: exit codes, start-up, and the server on a real socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("safe-conduct")


def start(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(COMMAND), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60, **more)


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen([str(COMMAND), "serve", "--port", "0", "--json", *map(str, arguments)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        yield process, json.loads("".join(lines))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def call(address: str, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    try:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_process_leaves_with_the_verdicts_code(at, asked) -> None:
    denied = start("decide", asked("14"), *at)
    assert (denied.returncode, denied.stdout[:4], denied.stderr) == (3, "DENY", "")


def test_help_comes_soon() -> None:
    began = time.monotonic()
    ran = start("--help")
    assert ran.returncode == 0
    assert time.monotonic() - began < 20  # about two seconds on an idle machine


def test_the_server_answers_on_its_port_keeps_others_out_and_stops_when_told(run, at, asked) -> None:
    request = json.loads(asked("01").read_text())
    with serving(*at) as (server, shown):
        assert set(shown["keys"]) == {"custodian", "officer"}
        assert call(shown["address"], "GET", "/healthz")[1]["status"] == "ok"
        assert call(shown["address"], "POST", "/v1/decisions", request)[0] == 401
        status, decided = call(shown["address"], "POST", "/v1/decisions", request, shown["keys"]["custodian"])
        assert (status, decided["effect"]) == (200, "permit")
        for second in (("serve", "--port", "0"), ("decide", asked("01"))):
            refused = run(*second, "--json", *at)
            assert (refused.code, refused.document["error"]["code"]) == (2, "conflict")
            assert refused.document["error"]["hint"]
        server.send_signal(signal.SIGINT)
        rest, err = server.communicate(timeout=20)
        assert (server.returncode, rest) == (0, ""), err
    with serving(*at) as (again, shown_again):
        assert shown_again["keys"] == {}
        assert call(shown_again["address"], "GET", f"/v1/decisions/{decided['id']}", key=shown["keys"]["custodian"])[0] == 200
        again.send_signal(signal.SIGTERM)
        assert again.wait(timeout=20) == 0
    assert run("decide", asked("01"), *at).code == 0


def test_a_port_that_is_taken_is_said(run, at) -> None:
    import socket  # noqa: PLC0415 - the socket guard of the test run replaces it

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run("serve", "--port", taken.getsockname()[1], "--json", *at)
    assert (ran.code, ran.document["error"]["where"]) == (2, "--host, --port")


def test_output_into_a_closed_pipe_is_no_traceback(at, asked) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run([str(COMMAND), "decide", str(asked("01")), "--json", *at], stdout=write, stderr=subprocess.PIPE,
                         text=True, check=False, timeout=60)
    os.close(write)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


