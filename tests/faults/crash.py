"""A process that releases records in a loop until it is killed; each finished release is a line of its output.

Run as ``python -m tests.faults.crash HOME RECORDS REQUEST OUT``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from governance.bootstrap import open_house
from governance.usecases.release import release
from tests.usecases.conftest import CUSTODIAN, Clock, settings_in


def main() -> None:
    home, records, request, out = (Path(argument) for argument in sys.argv[1:])
    raw = request.read_bytes()
    first = sum(1 for _ in out.iterdir())
    with open_house(settings_in(home), clock=Clock()) as house:
        print("ready", flush=True)
        for number in range(first, 10**6):
            release(house, CUSTODIAN, records, raw, out / f"r{number:06d}")
            print(f"r{number:06d}", flush=True)


if __name__ == "__main__":
    main()
