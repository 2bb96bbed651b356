"""Commands that decide, release and serve; each has ``--json`` and says what went wrong, where, and what to try."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from governance.cli import audit, keys, policy, register
from governance.cli.house import As, Home, LevelName, RoleName, Tenant, caller_for, house_for
from governance.cli.output import EXIT_OF_EFFECT, fail, show, show_decision
from governance.errors import FaultError, InputError, SafeConductError
from governance.logs import configure_logs

__all__ = ["app", "main"]

app = typer.Typer(
    name="safe-conduct", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    help="Decides whether health data may cross a border, changes them until they may, and proves what it did.",
)  # fmt: skip
app.add_typer(register.app, name="register")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="key")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for wrong usage; it has its own copy of click and gives a public name only to this child."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("safe-conduct-demo"),
    patients: Annotated[int, typer.Option(min=40, max=5000, help="How many synthetic patients.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic world.")] = 7,
    as_json: Json = False,
) -> None:
    """Run the main job on a small synthetic world: register, decide, release, log, verify."""
    from governance.demo.run import run_demo

    run_demo(out, patients=patients, seed=seed, as_json=as_json)


@app.command()
def decide(
    request: Annotated[Path, typer.Argument(help="The request, a JSON file, or - for standard input.")],
    as_json: Json = False,
    at: Annotated[str | None, typer.Option(help="Decide as of this day or instant (ISO 8601, UTC).")] = None,
    policies: Annotated[Path | None, typer.Option(help="Folder of policies instead of the shipped ones.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="Repeat safely under this key.")] = None,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Decide a request and record it. Exit code 0 permit, 3 deny, 5 refer."""
    from governance.usecases.decide import decide_request

    raw = sys.stdin.buffer.read() if str(request) == "-" else _read(request)
    with house_for(home=home, level=level, tenant=tenant, policies=policies) as house:
        decided = decide_request(house, caller_for(house, user, role), raw, key=key, at=_instant(at))
    show_decision(decided.document, as_json=as_json)
    raise typer.Exit(EXIT_OF_EFFECT[decided.document["effect"]])  # type: ignore[index]


@app.command()
def release(
    source: Annotated[Path, typer.Argument(help="A FHIR Bundle, a folder of them, or NDJSON; also gzip.")],
    request: Annotated[Path, typer.Option(help="The request, a JSON file.")],
    out: Annotated[Path, typer.Option(help="Folder to make; must not exist.")],
    as_json: Json = False,
    policies: Annotated[Path | None, typer.Option(help="Folder of policies instead of the shipped ones.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="Repeat safely under this key.")] = None,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Decide, de-identify, check and hand out records. Nothing is written unless everything may go."""
    from governance.cli.output import progress
    from governance.usecases.release import release as release_records

    with house_for(home=home, level=level, tenant=tenant, policies=policies) as house, progress(not as_json) as tick:
        caller = caller_for(house, user, role)
        done = release_records(house, caller, source, _read(request), out, key=key, progress=tick)
    show_decision(done.decided.document, as_json=as_json, released=done.summary)
    raise typer.Exit(EXIT_OF_EFFECT[done.decided.document["effect"]])  # type: ignore[index]


@app.command()
def outcome(
    decision: Annotated[str, typer.Argument(help="Id of the permit that the grant belongs to.")],
    sent: Annotated[bool, typer.Option("--sent/--not-sent", help="Whether anything was sent.")],
    people: Annotated[int | None, typer.Option(min=0, help="How many people's data were sent.")] = None,
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Close a grant by saying what was sent."""
    from governance.usecases.decide import report_outcome

    with house_for(home=home, level=level, tenant=tenant) as house:
        receipt = report_outcome(house, caller_for(house, user, role), decision, sent=sent, people=people)
    show({"decision": decision, "closed": True, "receipt": {"index": receipt.index, "proof": receipt.proof}},
         f"closed: entry {receipt.index}", as_json=as_json)  # fmt: skip


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8470,
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None,
) -> None:  # fmt: skip
    """Serve the HTTP API; prints the address and, the first time, keys that are shown once."""
    from governance.cli.serve import run_server

    with house_for(home=home, level=level, tenant=tenant) as house:
        run_server(house, host=host, port=port, as_json=as_json)


def _read(path: Path) -> bytes:
    """Read a request file; its name may be shown, it is the caller's own."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}", where=str(path)) from error


def _instant(text: str | None) -> datetime | None:
    """Read a day (its last second, UTC, so that whatever was said on that day counts) or an instant."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            moment = moment.replace(hour=23, minute=59, second=59)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"`{text}` is no day or instant", where="--at", hint="write 2026-11-22") from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and turn every failure into a message and an exit code."""
    configure_logs()
    wants_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    # typer explains wrong usage to a person itself; a program gets the same JSON as for every other error
    _guarded(lambda: app(args=arguments, standalone_mode=not wants_json), as_json=wants_json)


def _guarded(command: Callable[[], int | None], *, as_json: bool) -> NoReturn:
    """Run a command and leave with its exit code, or with that of its failure."""
    try:
        sys.exit(command())
    except SafeConductError as error:
        fail(error, as_json=as_json)
    except _UsageError as error:
        fail(InputError(error.format_message(), hint="--help shows how"), as_json=as_json)  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a text from anywhere may hold a patient's value: name its type and place
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        fail(FaultError(f"something failed on our side: {type(error).__name__}", where=where,
                        hint="nothing was handed out; report this line"), as_json=as_json)  # fmt: skip
