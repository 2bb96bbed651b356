"""Run a benchmark: ``python -m tests.bench NAME [--json] [--quick]``.

Each `tests/bench/NAME.py` has ``run(quick) -> list[Row]``. A ratio compares ours with the peer's figure of the same
run; a row whose must or aim is missed says so and stays. To measure beside peers that the project does not depend
on, for `decide`::

    uv run --isolated --with cedarpy --with pycasbin python -m tests.bench decide --json
"""

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.rows import Row


def main() -> int:
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_") and p.stem != "rows")
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=names)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a short run, for a look")
    arguments = parser.parse_args()
    rows: list[Row] = importlib.import_module(f"tests.bench.{arguments.name}").run(arguments.quick)
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "machine": platform.machine()}
    if arguments.json:
        print(json.dumps({"name": arguments.name, "machine": machine, "rows": [asdict(row) for row in rows]}, indent=2))
        return 0
    print(f"{arguments.name} on Python {machine['python']}, {machine['cpus']} cpus")
    for row in rows:
        print(row.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
