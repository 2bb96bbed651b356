"""Loading a folder: all or nothing, and a digest of what it says."""

import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
import rfc8785
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.core.rules import Confidence
from governance.core.truth import Truth
from governance.policy.load import _canonical_set, _read, load_policies
from governance.policy.shape import Faults
from tests.policy.world import GOOD, folder_with, load, pack, policies

ROOM = Path(__file__).parents[2] / "policies"


def digest(folder: Path, level: Confidence = Confidence.KNOWLEDGE) -> str:
    loaded = load_policies(folder, level=level)
    assert loaded.policies is not None, "\n".join(map(str, loaded.diagnostics))
    return loaded.policies.digest


def shuffled(node: object, chance: random.Random) -> object:
    """Say the same in another order; ``strength`` and a profile's steps are orders."""
    if isinstance(node, dict):
        items = [(key, value if key in ("strength", "steps") else shuffled(value, chance)) for key, value in node.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(node, list):
        found = [shuffled(item, chance) for item in node]
        chance.shuffle(found)
        return found
    return node


class Words(yaml.BaseLoader):
    """Reads every scalar as text, so that writing it back plainly says the same."""


def write_plain(node: object) -> str:
    """Write YAML in flow style, leaving scalars as they were."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{write_plain(key)}: {write_plain(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(write_plain(item) for item in node) + "]"
    text = str(node)
    return f'"{text}"' if any(mark in text for mark in ",:#()") else text


def retyped(path: Path, chance: random.Random) -> None:
    path.write_text(write_plain(shuffled(yaml.load(path.read_text(encoding="utf-8"), Words), chance)), encoding="utf-8")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_the_order_of_files_rules_and_lists_never_changes_the_digest(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance = random.Random(seed)
    before, after = tmp_path_factory.mktemp("before") / "policies", tmp_path_factory.mktemp("after") / "policies"
    shutil.copytree(GOOD, before)
    shutil.copytree(GOOD, after)
    for folder, mixer in ((before, random.Random(0)), (after, chance)):
        for path in folder.rglob("*.yaml"):
            if not path.name.endswith(".cases.yaml"):
                retyped(path, mixer)
    (after / "jurisdictions" / "no" / "health.yaml").rename(after / "organisation" / "a.yaml")
    (after / "vocabulary" / "words.yaml").rename(after / "vocabulary" / "a.yaml")
    assert digest(before) == digest(after)


def test_comments_and_cases_never_change_the_digest(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    before = digest(folder)
    path = folder / "jurisdictions" / "no" / "health.yaml"
    path.write_text("# a remark\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "jurisdictions" / "no" / "health.cases.yaml").unlink()
    assert before == digest(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("jurisdictions/no/health.yaml", "above: 100", "above: 101"),
        ("jurisdictions/no/health.yaml", "cite: s. 4", "cite: s. 44"),
        ("jurisdictions/no/health.yaml", "confidence: unverified", "confidence: knowledge"),
        ("jurisdictions/none.yaml", "XX-WHO", "US"),
        ("vocabulary/words.yaml", "[standard, enhanced]", "[enhanced, standard]"),
        ("vocabulary/facts.yaml", "means: what for", "means: wherefore"),
        ("deidentification/anonymous.yaml", "[remove names, remove numbers]", "[remove numbers, remove names]"),
        ("deidentification/anonymous.yaml", "[mental]", "[clinical]"),
    ],
)
def test_whatever_a_file_says_otherwise_changes_the_digest(file: str, old: str, new: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    before, path = digest(folder), folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert before != digest(folder)


def test_the_level_is_part_of_the_digest_and_unverified_law_is_no_level(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    levels = (Confidence.KNOWLEDGE, Confidence.VERIFIED, Confidence.SIGNED_OFF)
    assert len({digest(folder, level) for level in levels}) == 3
    with pytest.raises(ValueError, match="unverified"):
        load_policies(folder, level=Confidence.UNVERIFIED)


def test_norway_is_a_country(tmp_path: Path) -> None:
    found = policies(tmp_path)
    regime = next(regime for regime in found.regimes if regime.id == "no-health")
    assert frozenset({"NO"}) == regime.territory
    assert "'NO'" in repr(regime.governs)


def test_one_bad_file_keeps_the_whole_set_from_being_used_and_is_named(tmp_path: Path) -> None:
    loaded = load(tmp_path, pack("", name="fine"), "pack: [")
    assert loaded.policies is None
    assert any(found.where.startswith("policies/jurisdictions/extra-1.yaml:") for found in loaded.diagnostics)


@pytest.mark.parametrize("missing", ["", "vocabulary"])
def test_a_missing_folder_is_a_fault(missing: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    shutil.rmtree(folder / missing)
    assert load_policies(folder, level=Confidence.KNOWLEDGE).policies is None


def test_profiles_give_their_claims_and_as_is_is_always_there(tmp_path: Path) -> None:
    found = policies(tmp_path).profiles
    assert {"as-is", "test-anonymous"} == set(found)
    assert {"data.form": "anonymous", "data.meets": frozenset({"test-anonymous"})} == found["test-anonymous"].sets
    assert frozenset({"mental"}) == found["test-anonymous"].removes_categories
    assert ({}, frozenset()) == (found["as-is"].sets, found["as-is"].removes_categories)


def test_a_profile_cannot_claim_what_is_not_of_the_data(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "deidentification" / "bad.yaml").write_text("profile: bad\nclaims: {sets: {origin: NO, data.form: blurred}, removes_categories: [mentall]}", encoding="utf-8")
    told = [str(found) for found in load_policies(folder, level=Confidence.KNOWLEDGE).diagnostics if found.severity == "error"]
    expected = [
        "policies/deidentification/bad.yaml:2:17: fact `origin` is not of a part of the data: no profile can change it",
        "policies/deidentification/bad.yaml:2:40: unknown value `blurred` of fact `data.form`\n  hint: one of: anonymous, identified, pseudonymised",
        "policies/deidentification/bad.yaml:2:71: unknown category `mentall`\n  hint: did you mean `mental`?",
    ]
    assert expected == told


def test_a_place_without_a_law_of_its_own_is_listed_with_its_dates(tmp_path: Path) -> None:
    (entry,) = policies(tmp_path).no_regime
    assert (entry.place, entry.cite) == ("XX-WHO", "Constitution of the organisation")
    assert entry.span.from_earliest is not None


def test_the_vocabulary_knows_broader_terms_consent_codes_and_safe_ages(tmp_path: Path) -> None:
    found = policies(tmp_path).vocabulary
    places = found.taxonomies["place"]
    assert Truth.TRUE is places.relation("SE", "EEA")
    assert Truth.UNKNOWN is places.relation("EEA", "SE")
    assert Truth.UNKNOWN is places.relation("US", "US-TX")
    assert frozenset({"HRESCH"}) == found.consent_purposes["genetic-research"]
    assert frozenset({"HRESCH", "PurposeOfUse"}) == found.purpose_ancestors["CLINTRCH"]
    assert (found.evidence["assessment"].max_age_days, found.evidence["permit"].min_age_days) == (1095, 30)
    assert found.duties["report-refusal"].join == {"within": "sooner"}
    assert found.strength["level"] == ("standard", "enhanced")


def test_ten_thousand_rules_load_in_bounded_time(tmp_path: Path) -> None:
    rules = "".join(f"  - {{id: r{number}, cite: s. {number}, when: {{purpose: care}}}}\n" for number in range(10_000))
    found = policies(tmp_path, pack("\ngrounds:\n" + rules))
    assert sum(len(rules) for regime in found.regimes if regime.id == "ke-test" for rules in regime.rules.values()) == 10_000


def test_ten_thousand_faults_cost_bounded_time_and_a_thousand_are_told(tmp_path: Path) -> None:
    rules = "".join(f"  - {{id: r{number}, cite: s. {number}, when: {{purpos{number}: care}}, rests_on: g{number}}}\n" for number in range(10_000))
    loaded = load(tmp_path, pack("\nmechanisms:\n" + rules))
    assert loaded.policies is None
    assert len(loaded.diagnostics) == 1002
    assert "more than 1000 faults; the rest is not shown" in [found.message for found in loaded.diagnostics]


def test_the_real_room_loads_and_every_measure_and_share_is_known() -> None:
    loaded = load_policies(ROOM, level=Confidence.KNOWLEDGE)
    assert [str(found) for found in loaded.diagnostics if found.severity == "error"] == []
    assert loaded.policies is not None
    asked = {test for test in repr(loaded.policies.regimes).split("'") if test.startswith(("count[", "recipient.owned_by["))}
    known = {*loaded.policies.measures, *(question.key for question in loaded.policies.ownership)}
    assert asked <= known


def test_a_window_of_months_counts_the_longest_such_run(tmp_path: Path) -> None:
    measure = policies(tmp_path).measures["count[no-health/genomes]"]
    assert (measure.window_days, measure.per, measure.complete_by) == (366, ("exporter.id", "recipient.id"), None)


@pytest.mark.parametrize("folder", [GOOD, ROOM], ids=["good", "real"])
def test_the_digest_is_of_canonical_json_as_any_jcs_library_writes_it(folder: Path) -> None:
    text = _canonical_set(_read(folder, Faults()), Confidence.KNOWLEDGE)
    assert text.encode("utf-8") == rfc8785.dumps(json.loads(text))
    assert digest(folder) == "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    numbers = [value for value in flat(json.loads(text)) if isinstance(value, float)]
    assert numbers == []


def flat(node: object) -> list[object]:
    if isinstance(node, dict):
        return [found for value in node.values() for found in flat(value)]
    return [found for value in node for found in flat(value)] if isinstance(node, list) else [node]
