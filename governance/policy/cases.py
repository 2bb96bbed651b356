"""Run the cases that lawyers write beside their packs.

Guarantees: a case is decided by the same `governance.core.decide.decide` as a real request, on the facts it
states and no others (ids of parties, data set and project apart, which are supplied); a case that comes out
differently is a fault at its line that says what came out and why.

``x.cases.yaml`` beside ``x.yaml`` is a list of {name, cites, at, given, expect, only?, note?}:

- ``given``: facts by name, whatever they belong to (null: not known), and
  ``legs`` (facts of each leg), ``parts`` ({id, facts}), ``people`` ({size, consent, facts}) or ``size``,
  ``evidence`` ({type, outcome?, state?, issued_on?, valid_from?, valid_until?, properties?, scope?}; it fits
  the case where its scope does not say otherwise), ``consent`` (given, refused, withdrawn, expired, asked,
  not-asked, or {state, to, form, told, by}), ``counted`` (measure to people counted before), ``profiles``,
  ``withhold`` ({subjects, parts}), ``cannot`` (duty types).
  A fact with parameters is given as {measure: m, is: n} or {group: t, cascade_at: 50, is: [low, high]}.
- ``expect``: ``effect``, and where stated ``profile`` and ``refer`` (equal), ``because`` (rules among the
  reasons), ``not_because``, ``duties``, ``missing``, ``parts`` (among the answer's).
- ``only``: the packs the case is tried against; without it, all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from governance.core.decide import decide
from governance.core.rules import PolicySet
from governance.core.ruling import Ruling
from governance.policy.given import instant, read_situation
from governance.policy.load import CASES, Loaded
from governance.policy.read import Mapping, Node, Scalar, Sequence, read_yaml
from governance.policy.shape import Faults, Fields, did_you_mean

__all__ = ["run_cases"]

_CASE_KEYS = ("name", "cites", "at", "given", "expect", "only", "note")
_EXPECT_KEYS = ("effect", "profile", "refer", "because", "not_because", "duties", "missing", "parts")
_EFFECTS = ("permit", "deny", "refer")
_REFERS = ("missing-facts", "not-covered", "human-judgement", "unverified-law")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What all cases of one file share."""

    pack: str
    policies: PolicySet
    isolated: dict[frozenset[str], PolicySet]
    faults: Faults


def run_cases(folder: Path, loaded: Loaded, faults: Faults) -> tuple[int, int]:
    """Run every case file of a folder.

    Args:
        folder: the lawyers' room.
        loaded: its compiled policies, which must have loaded without error.
        faults: collects cases that cannot be read or that come out differently.

    Returns:
        How many cases were run, and how many of them came out differently.
    """
    if loaded.policies is None:
        return 0, 0
    by_path = {pack.path: pack.document.id for pack in loaded.packs}
    isolated: dict[frozenset[str], PolicySet] = {}
    run = failed = 0
    for path in sorted(folder.rglob(f"*{CASES}")):
        name = (Path(folder.name) / path.relative_to(folder)).as_posix()
        tree, diagnostics = read_yaml(path, name)
        faults.extend(diagnostics)
        pack = by_path.get(path.with_name(path.name.removesuffix(CASES) + ".yaml"), "")
        setting = _Setting(pack=pack, policies=loaded.policies, isolated=isolated, faults=faults)
        for item in _items(tree, faults):
            held = _case(item, setting)
            if held is not None:
                run, failed = run + 1, failed + (not held)
    return run, failed


def _items(tree: Node | None, faults: Faults) -> Iterator[Mapping]:
    if tree is not None and not isinstance(tree, Sequence):
        faults.error(tree, "a file of cases must be a list", "begin each case with `- name: ...`")
        return
    taken: dict[str, str] = {}
    for item in tree.items if tree is not None else ():
        if not isinstance(item, Mapping):
            hint = "write `- {name: ..., cites: ..., at: ..., given: {...}, expect: {...}}`"
            faults.error(item, "a case must be a mapping", hint)
            continue
        title = item.get("name")
        if isinstance(title, Scalar) and title.text in taken:
            faults.error(title, f"two cases `{title.text}`", f"the other stands at {taken[title.text]}")
            continue
        if isinstance(title, Scalar):
            taken[title.text] = title.where
        yield item


def _case(item: Mapping, setting: _Setting) -> bool | None:
    """Run one case; None where it cannot be read."""
    faults = Faults()
    fields = Fields(item, faults, known=_CASE_KEYS, what="case")
    name = fields.text("name", required=True)
    fields.text("cites", required=True)
    fields.text("note")
    at = instant(fields)
    given = fields.mapping("given", required=True)
    expect = fields.mapping("expect", required=True)
    policies = _policies(fields, setting, faults)
    situation = read_situation(given, setting.pack, at, setting.policies, faults) if given and at else None
    wanted = _expected(Fields(expect, faults, known=_EXPECT_KEYS, what="`expect`"), setting) if expect else None
    setting.faults.extend(faults.all())
    if faults.failed or situation is None or wanted is None or at is None:
        return None
    ruling = decide(policies, situation.question, situation.facts, at)
    return _compare(name, expect or item, wanted, ruling, setting.faults)


def _policies(fields: Fields, setting: _Setting, faults: Faults) -> PolicySet:
    only = fields.words("only")
    known = {regime.id for regime in setting.policies.regimes}
    for pack in only:
        if pack.text not in known:
            faults.error(pack, f"unknown pack `{pack.text}`", did_you_mean(pack.text, known))
    if not only:
        return setting.policies
    chosen = frozenset(pack.text for pack in only)
    if chosen not in setting.isolated:
        regimes = tuple(regime for regime in setting.policies.regimes if regime.id in chosen)
        setting.isolated[chosen] = replace(setting.policies, regimes=regimes)
    return setting.isolated[chosen]


def _expected(fields: Fields, setting: _Setting) -> dict[str, tuple[str, ...]]:
    """Read ``expect``; names of rules become full ids, and what nothing could ever answer is a fault."""
    fields.choice("effect", _EFFECTS, "deny", required=True)
    fields.choice("refer", _REFERS, "", required=False)
    rules = {rule.id for regime in setting.policies.regimes for rules in regime.rules.values() for rule in rules}
    known = {
        "because": rules, "not_because": rules, "duties": set(setting.policies.vocabulary.duties),
        "profile": set(setting.policies.profiles),
    }  # fmt: skip
    wanted: dict[str, tuple[str, ...]] = {}
    for key in _EXPECT_KEYS:
        if fields.node.get(key) is None:
            continue
        found = []
        for word in fields.words(key):
            text = word.text
            if key in ("because", "not_because") and text.count("/") == 1:
                text = f"{setting.pack}/{text}"
            if key in known and text not in known[key]:
                what = {"because": "rule", "not_because": "rule", "duties": "duty"}.get(key, key)
                fields.faults.error(word, f"unknown {what} `{text}`", did_you_mean(text, known[key]))
            found.append(text)
        wanted[key] = tuple(found)
    return wanted


def _compare(name: str, place: Node, wanted: dict[str, tuple[str, ...]], ruling: Ruling, faults: Faults) -> bool:
    got = {
        "effect": (str(ruling.effect),),
        "profile": (ruling.profile,) if ruling.profile else (),
        "refer": (str(ruling.refer),) if ruling.refer else (),
        "because": tuple(dict.fromkeys(reason.rule for reason in ruling.reasons)),
        "duties": tuple(duty.type for duty in ruling.duties),
        "missing": ruling.missing,
        "parts": ruling.parts_in,
    }
    differences: list[str] = []
    for key, words in wanted.items():
        if key == "not_because":
            differences.extend(f"`{word}` among the reasons" for word in words if word in got["because"])
            continue
        lacking = [word for word in words if word not in got[key]]
        if lacking:
            answer = ", ".join(got[key]) or "nothing"
            differences.append(f"{key}: expected {', '.join(lacking)}, got {answer}")
    if differences:
        faults.error(place, f"case `{name}` comes out differently: {'; '.join(differences)}", _why(ruling))
    return not differences


def _why(ruling: Ruling) -> str:
    """Sum up a ruling in one line."""
    parts = [str(ruling.effect), *([str(ruling.refer)] if ruling.refer else [])]
    if ruling.missing:
        parts.append(f"missing {', '.join(ruling.missing)}")
    if ruling.arguable:
        parts.append(f"a person decides {', '.join(ruling.arguable)}")
    reasons = [f"{reason.rule} {reason.outcome.name.lower()}" for reason in ruling.reasons]
    parts.append("reasons: " + (", ".join(dict.fromkeys(reasons)) or "none"))
    return "; ".join(parts)
