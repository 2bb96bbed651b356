"""`python -m audit verify DIR` and `python -m audit verify-receipt FILE --key KEY`.

Exit codes: 0 right, 4 something is wrong (each fault on a line: where, what), 2 usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from audit.entry import OneSubject, SubjectTree
from audit.errors import AuditError
from audit.proof import Proof, verify_proof
from audit.verify import Report, read_keys, verify_folder

__all__ = ["main"]

_OK, _USAGE, _INTEGRITY = 0, 2, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _verify(options) if options.command == "verify" else _verify_receipt(options)
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}")
        return _USAGE


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _complain(line: str) -> None:
    sys.stderr.write(line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m audit", description="Verify an audit log offline. Exit: 0 right, 4 wrong, 2 usage."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="re-hash every entry of a served log")
    verify.add_argument("folder", type=Path, metavar="DIR", help="served log: checkpoint, key, tile/...")
    verify.add_argument("--key", type=Path, help="verifying key from a source you trust (default: DIR/key)")
    verify.add_argument(
        "--since", type=Path, action="append", default=[], metavar="FILE", help="earlier checkpoint to continue"
    )
    receipt = commands.add_parser("verify-receipt", help="check a .tlog-proof receipt")
    receipt.add_argument("file", type=Path, metavar="FILE")
    receipt.add_argument("--key", type=Path, required=True, help="verifying key of the log")
    for command in (verify, receipt):
        command.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _verify(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if not folder.is_dir() or not any((folder / name).exists() for name in ("checkpoint", "tile", "key")):
        _complain(f"{folder}: not a served log\n  hint: a folder with checkpoint, key and tile/")
        return _USAGE
    try:
        keys = read_keys(options.key.read_bytes()) if options.key else None
    except AuditError as error:
        _complain(f"{options.key}: {error.message}")
        return _USAGE
    report = verify_folder(folder, keys, [file.read_bytes() for file in options.since])
    if options.json:
        _say(json.dumps({"ok": report.ok, **asdict(report)}))
    else:
        _print(report)
    return _OK if report.ok else _INTEGRITY


def _print(report: Report) -> None:
    for fault in report.faults:
        _say(f"{fault.where}: {fault.what}")
    if report.more_faults:
        _say(f"... and {report.more_faults} more")
    if not report.ok:
        _say(f"NOT verified: {len(report.faults) + report.more_faults} faults, {report.entries} entries re-hashed")
        return
    _say(f"verified: {report.origin}, {report.entries} entries re-hashed, root {report.root}")
    _say(f"signed by {', '.join(report.signers)}" + (" (key from the log's own folder)" if report.own_key else ""))
    if report.since:
        _say(f"continues the checkpoints of size {', '.join(map(str, report.since))}")
    if report.leaves:
        _say(f"leaves of {report.leaves} entries with several people checked")
    if report.unsigned:
        _say(f"{report.unsigned} files beyond the checkpoint were not checked (is an export under way?)")
    if report.leaves_missing:
        _say(f"leaves of {report.leaves_missing} entries with several people are not served here")


def _verify_receipt(options: argparse.Namespace) -> int:
    try:
        keys = read_keys(options.key.read_bytes())
    except AuditError as error:
        _complain(f"{options.key}: {error.message}")
        return _USAGE
    try:
        shown = verify_proof(Proof.from_bytes(options.file.read_bytes()), keys)
    except AuditError as error:
        if options.json:
            _say(json.dumps({"ok": False, "faults": [{"where": str(options.file), "what": error.message}]}))
        else:
            _say(f"{options.file}: {error.message}\nNOT verified")
        return _INTEGRITY
    people = shown.entry.subjects
    count = 1 if isinstance(people, OneSubject) else people.count if isinstance(people, SubjectTree) else 0
    facts = {
        "ok": True, "origin": shown.checkpoint.origin, "index": shown.index, "size": shown.checkpoint.size,
        "class": shown.entry.type_class.value, "hour": shown.entry.hour, "policy": shown.entry.policy, "leaves": count,
        "signers": list(shown.signers),
    }  # fmt: skip
    if options.json:
        _say(json.dumps(facts))
    else:
        _say(f"verified: entry {shown.index} is in {shown.checkpoint.origin} (signed at size {shown.checkpoint.size})")
        _say(f"class {facts['class']}, hour {facts['hour']}, policy {facts['policy']}")
    return _OK


if __name__ == "__main__":
    sys.exit(main())
