"""``safe-conduct register``: parties, projects, data sets, flows, patients, evidence and consents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from governance.cli.house import As, Home, LevelName, RoleName, Tenant, caller_for, house_for
from governance.cli.output import show
from governance.errors import InputError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keep the register; each change is an entry of the log.")

File = Annotated[Path, typer.Argument(help="JSON: one document or a list.")]
Replace = Annotated[bool, typer.Option("--replace", help="Other content under a known id replaces it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _command(item: str, help: str) -> None:  # noqa: A002 - typer's word
    """Make one command for one kind of document."""

    @app.command(item, help=help)
    def register_items(
        file: File, replace: Replace = False, as_json: Json = False,
        home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
    ) -> None:  # fmt: skip
        from governance.usecases.register import Item, register

        documents = read_json(file)
        with house_for(home=home, level=level, tenant=tenant) as house:
            done, receipt = register(house, caller_for(house, user, role), Item(item), documents, replace=replace)
        counts = {"added": done.added, "replaced": done.replaced, "unchanged": done.unchanged}
        show({"item": item, **counts, "entry": receipt.index},
             f"{item}: {done.added} added, {done.replaced} replaced, {done.unchanged} unchanged, entry {receipt.index}",
             as_json=as_json)  # fmt: skip


for _item, _help in {
    "parties": "Register institutions.", "projects": "Register studies and programmes.",
    "datasets": "Register data sets with parts and cohorts.", "flows": "Register what is known of movements.",
    "subjects": "Register patients; nothing of them is kept in clear.",
    "evidence": "Submit documents; they count once somebody else has verified them.",
}.items():  # fmt: skip
    _command(_item, _help)


@app.command("verify-evidence")
def verify_evidence(
    evidence: Annotated[str, typer.Argument(help="Id of the submitted document.")], as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Confirm a submitted document, as another person with another role."""
    from governance.usecases.register import verify

    with house_for(home=home, level=level, tenant=tenant) as house:
        receipt = verify(house, caller_for(house, user, role), evidence)
    show({"evidence": evidence, "state": "verified", "entry": receipt.index}, f"verified (entry {receipt.index})",
         as_json=as_json)  # fmt: skip


@app.command("revoke-evidence")
def revoke_evidence(
    evidence: Annotated[str, typer.Argument(help="Id of the document.")], as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Take a document out of force."""
    from governance.usecases.register import revoke

    with house_for(home=home, level=level, tenant=tenant) as house:
        receipt = revoke(house, caller_for(house, user, role), evidence)
    show({"evidence": evidence, "state": "revoked", "entry": receipt.index}, f"revoked (entry {receipt.index})",
         as_json=as_json)  # fmt: skip


@app.command()
def consents(
    file: Annotated[Path, typer.Argument(help="A FHIR Consent, a JSON list of them, or a folder.")],
    subject: Annotated[str | None, typer.Option(help="Register id; by default from patient.reference.")] = None,
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Record FHIR Consents; says what was mended and what could not be expressed."""
    from governance.usecases.consent import record_consents

    read = _read_folder(file) if file.is_dir() else read_json(file)
    given = read if isinstance(read, list) else [read]
    documents = [document for document in given if isinstance(document, dict)]
    if not documents or len(documents) != len(given):
        raise InputError("consents are FHIR resources, each a JSON object", where=str(file))
    with house_for(home=home, level=level, tenant=tenant) as house:
        recorded, receipt = record_consents(house, caller_for(house, user, role), documents, subject=subject)
    rows = [{"number": r.number, "dialect": r.dialect, "repairs": list(r.repairs),
             "not_expressed": list(r.not_expressed), "unclear": r.unclear} for r in recorded]  # fmt: skip
    lines = [f"{len(rows)} consents recorded (entry {receipt.index})"]
    for row in recorded:
        lines += [f"  {row.number}: mended: {repair}" for repair in row.repairs]
        lines += [f"  {row.number}: not expressed: {part}" for part in row.not_expressed]
        lines += [f"  {row.number}: unclear, never permits: {row.unclear}"] if row.unclear else []
    show({"recorded": rows, "entry": receipt.index}, "\n".join(lines), as_json=as_json)


@app.command()
def withdraw(
    subject: Annotated[str, typer.Argument(help="Register id of the patient.")],
    consent: Annotated[str | None, typer.Option(help="Id of the consent; by default all of the patient's.")] = None,
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Withdraw consent; the very next decision knows."""
    from governance.usecases.consent import withdraw_consent

    with house_for(home=home, level=level, tenant=tenant) as house:
        receipt = withdraw_consent(house, caller_for(house, user, role), subject, consent=consent)
    show({"withdrawn": True, "entry": receipt.index}, f"withdrawn (entry {receipt.index})", as_json=as_json)


def _read_folder(folder: Path) -> list[object]:
    """Read every JSON file of a folder; they are named by number, for their names may name patients."""
    return [read_json(path, name=f"file {n}") for n, path in enumerate(sorted(folder.glob("*.json")), start=1)]


def read_json(path: Path, *, name: str | None = None) -> object:
    """Read a JSON file of the caller's own.

    Args:
        path: the file.
        name: what to call it in errors; by default its path, as the caller wrote it.

    Raises:
        InputError: saying where in the file, never what stands there.
    """
    called = name or str(path)
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror}", where=called) from error
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg.lower()}", where=f"{called}:{error.lineno}:{error.colno}") from None
    except (UnicodeDecodeError, RecursionError):
        raise InputError("not JSON in UTF-8", where=called) from None
