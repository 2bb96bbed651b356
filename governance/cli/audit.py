"""``safe-conduct audit``: read the log, export it for strangers, show a patient's account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.cli.house import As, Home, LevelName, RoleName, Tenant, caller_for, house_for
from governance.cli.output import print_json, show

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Read and export the audit log; reading is itself logged.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to serve from: checkpoint, key, tile/...")],
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Write the log as files that anyone can verify: `python -m audit verify FOLDER`."""
    from governance.usecases.audit import export_log

    with house_for(home=home, level=level, tenant=tenant) as house:
        size = export_log(house, caller_for(house, user, role), folder)
    show({"folder": str(folder), "size": size}, f"{size} entries; verify with: python -m audit verify {folder}",
         as_json=as_json)  # fmt: skip


@app.command()
def account(
    subject: Annotated[str, typer.Argument(help="Register id of the patient.")],
    reason: Annotated[str, typer.Option(help="Why it is looked up: request, complaint or audit.")],
    as_json: Json = False,
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Show everything logged about one patient, oldest first."""
    from governance.usecases.audit import account_of

    with house_for(home=home, level=level, tenant=tenant) as house:
        lines = account_of(house, caller_for(house, user, role), subject, reason=reason)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        rest = ", ".join(f"{key} {value}" for key, value in line.items() if key not in ("entry", "at", "kind"))
        print(f"{line['at']}  entry {line['entry']:>6}  {line['kind']:<10} {rest}")
    print(f"{len(lines)} entries")


@app.command()
def entry(
    index: Annotated[int, typer.Argument(min=0, help="Number of the entry.")],
    as_json: Annotated[bool, typer.Option("--json", help="As always with this command.")] = True,  # noqa: ARG001
    home: Home = None, level: LevelName = None, tenant: Tenant = None, user: As = None, role: RoleName = None,
) -> None:  # fmt: skip
    """Show one entry's details and its proof, as JSON."""
    from governance.usecases.audit import read_entry

    with house_for(home=home, level=level, tenant=tenant) as house:
        print_json(read_entry(house, caller_for(house, user, role), index))
