"""FHIR de-identification beside orjson alone: the same bytes parsed and serialised, in the same run.

With the shared data the 22 synthea files are measured, written compactly as NDJSON is; without them nothing is.
"""

import gc
import gzip
import os
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import orjson

from governance.deidentify.check import OutputCheck
from governance.deidentify.fhir import Transformed, transform_bundle
from governance.deidentify.plan import Plan, compile_plan
from governance.deidentify.profile import load_profile
from governance.deidentify.pseudonyms import SubjectKeys
from governance.deidentify.words import load_words
from tests.bench.rows import Row

FOLDER = Path(__file__).parents[2] / "policies" / "deidentification"
AT = date(2026, 11, 22)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - the runner's interface
    """Measure both profiles on structured records."""
    shared = os.environ.get("SAFE_CONDUCT_SHARED")
    if not shared:
        return []
    files = sorted((Path(shared) / "data" / "synthea-r4").glob("*.json.gz"))
    records = [orjson.dumps(orjson.loads(gzip.decompress(file.read_bytes()))) for file in files]
    resources = sum(len(orjson.loads(record)["entry"]) for record in records)
    rows: list[Row] = []
    for profile in ("safe-harbor", "gdpr-pseudonymised"):
        plan = compile_plan(load_profile(FOLDER, profile), load_words(FOLDER))
        rows += _rows(plan, records, resources, 5 if quick else 15)
    return rows


def _best(work: Callable[[], object], peer: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the best seconds of both, taken in turns."""
    ours, theirs = [], []
    for _ in range(times):
        for call, into in ((work, ours), (peer, theirs)):
            gc.collect()
            start = time.perf_counter()
            call()
            into.append(time.perf_counter() - start)
    return min(ours), min(theirs)


def _keys(n: int) -> SubjectKeys:
    return SubjectKeys.derive(bytes(32), n.to_bytes(16, "big"), recipient="bench", purpose="research", version=1)


def _change(plan: Plan, records: list[bytes]) -> None:
    for n, record in enumerate(records):
        orjson.dumps(transform_bundle(plan, orjson.loads(record), _keys(n), at=AT).bundle)


def _release(plan: Plan, records: list[bytes]) -> None:
    """Change and check, as a release does: learn all records first, then check each."""
    check = OutputCheck(plan)
    made: list[tuple[Transformed, bytes]] = []
    for n, record in enumerate(records):
        source = orjson.loads(record)
        one = transform_bundle(plan, source, _keys(n), at=AT)
        check.learn(one.known, [entry["resource"] for entry in source["entry"]])
        made.append((one, orjson.dumps(one.bundle)))
    for n, (one, data) in enumerate(made, start=1):
        check.check(n, data, one, orjson.loads(records[n - 1]))


def _parse_and_serialise(records: list[bytes]) -> None:
    for record in records:
        orjson.dumps(orjson.loads(record))


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _rows(plan: Plan, records: list[bytes], resources: int, times: int) -> list[Row]:
    name = plan.profile.id
    peer = lambda: _parse_and_serialise(records)  # noqa: E731 - a closure for the clock
    ours, theirs = _best(lambda: _change(plan, records), peer, times)
    whole, base = _best(lambda: _release(plan, records), peer, max(3, times // 3))
    memory, memory_base = _peak(lambda: _change(plan, records)), _peak(peer)
    ratio = ours / theirs
    return [
        Row(measure=f"{name}: transform, structured", ours=ours * 1e6 / resources, unit="us per resource",
            peer=theirs * 1e6 / resources, peer_name="orjson parse and serialise", ratio=ratio, must="ratio at most 5",
            aim="ratio at most 3", holds=ratio <= 3),
        Row(measure=f"{name}: resources", ours=resources / ours, unit="per second", peer=resources / theirs,
            peer_name="orjson parse and serialise", ratio=theirs / ours),
        Row(measure=f"{name}: transform and output check", ours=whole * 1e6 / resources, unit="us per resource",
            peer=base * 1e6 / resources, peer_name="orjson parse and serialise", ratio=whole / base),
        Row(measure=f"{name}: peak memory of the transform", ours=memory / 1e6, unit="MB", peer=memory_base / 1e6,
            peer_name="orjson parse and serialise", ratio=memory / memory_base),
    ]  # fmt: skip
