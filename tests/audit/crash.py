"""A process that writes a log until it is stopped; acknowledged entries go to its output, one on a line.

Run as ``python -m tests.audit.crash FOLDER [--limit BYTES]``. With a limit, no file may grow beyond it (a full disk).
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import threading
from pathlib import Path

from audit.errors import AuditError
from tests.audit.world import World, draft, insert_business


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    world = World(options.folder)
    first = max(world.business(), default=-1) + 1
    print("ready", flush=True)
    if options.limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))
    lock = threading.Lock()

    def client(number: int) -> None:
        for n in range(first + number, 10**9, 8):
            try:
                _, receipt = writer.record(draft(n), insert_business(n, "x" * 200))
            except AuditError as error:
                with lock:
                    print(f"error {error.code}: {error.message}", flush=True)
                return
            with lock:
                print(f"ack {n} {receipt.index} {receipt.hash.hex()}", flush=True)

    with world.writer() as writer:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sys.exit(3)


if __name__ == "__main__":
    main()
