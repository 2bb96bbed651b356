"""Killed processes, full disks, second processes: what was acknowledged is there, and the log still verifies."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audit.errors import LogLockedError
from audit.read import LogReader
from audit.tree import leaf_hash
from audit.verify import verify_folder
from tests.audit.world import TENANT, World, draft, insert_business

ROOT = Path(__file__).parents[2]


def start(folder, *more):
    command = [sys.executable, "-m", "tests.audit.crash", str(folder), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def acknowledged(lines):
    """Return index to (business row, leaf hash) of every complete acknowledgement."""
    found = {}
    for line in lines:
        if line.startswith("ack ") and line.endswith("\n"):
            _, number, index, leaf = line.split()
            found[int(index)] = (int(number), leaf)
    return found


def check(folder, acks):
    """Every acknowledged entry is in the log at its index, with its work; every entry has its work; all verifies."""
    world = World(folder)
    reader = LogReader(world.engine, TENANT)
    stored = list(reader.entries())
    leaves = [leaf_hash(one.data).hex() for one in stored]
    for index, (_, leaf) in acks.items():
        assert leaf == leaves[index]
    tenant_key = world.keys.tenant_key(TENANT)
    numbers = [reader.shared(index, tenant_key)["details"]["n"] for index in range(len(stored))]
    assert sorted(numbers) == world.business()
    assert len(numbers) == len(set(numbers))
    assert {number for number, _ in acks.values()} <= set(numbers)
    with world.writer() as writer:
        fresh = max(numbers, default=-1) + 1
        assert len(stored) == writer.record(draft(fresh), insert_business(fresh))[1].index
    world.export()
    report = verify_folder(world.served)
    assert report.faults == []
    world.engine.dispose()
    return len(stored) - len(acks)


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.long)])
def test_a_process_killed_at_any_moment_loses_nothing_acknowledged(tmp_path, rounds):
    chance = random.Random(rounds)
    acks = {}
    for _ in range(rounds):
        child = start(tmp_path)
        lines = [child.stdout.readline() for _ in range(chance.randint(2, 121))]
        child.send_signal(signal.SIGKILL)
        lines.extend(child.stdout)
        child.stdout.close()
        child.wait()
        acks |= acknowledged(lines)
        assert acks
        check(tmp_path, acks)


def test_a_full_disk_is_a_clear_error_and_loses_nothing_acknowledged(tmp_path):
    child = start(tmp_path, "--limit", str(900_000))
    lines = list(child.stdout)
    child.stdout.close()
    assert child.wait() == 3
    acks = acknowledged(lines)
    errors = [line for line in lines if line.startswith("error ")]
    assert len(errors) == 8, "every client was told"
    assert {line.split(":")[0] for line in errors} <= {"error outcome-unknown", "error record-failed"}
    assert acks
    check(tmp_path, acks)


def test_another_process_is_refused_while_one_writes_and_not_after_it_was_killed(tmp_path):
    child = start(tmp_path)
    while not child.stdout.readline().startswith("ack"):
        pass
    world = World(tmp_path)
    with pytest.raises(LogLockedError, match="another process writes this log"):
        world.writer()
    child.kill()
    child.stdout.close()
    child.wait()
    world.writer().close()
    world.engine.dispose()
