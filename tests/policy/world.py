"""A small pack to vary, and the good folder to vary it in."""

import shutil
from pathlib import Path

from governance.core.rules import Confidence, Gate, PolicySet, Regime, Rule
from governance.policy.load import Loaded, load_policies

GOOD = Path(__file__).parent / "good"
ASKED = ("outside_scope", "prohibitions", "grounds", "mechanisms", "requirements", "reviews")
HEAD = """
pack: {name}
title: T
law: L
territory: KE
force: law
confidence: {confidence}
as_of: 2026-11-22
sign_off: {sign_off}
governs: {{origin: KE}}
"""


def pack(body: str, name: str = "ke-test", confidence: str = "verified", sign_off: str = "{by: null, on: null}") -> str:
    """Write a pack that is silent on whatever its body does not ask."""
    silent = [gate for gate in ASKED if f"\n{gate}:" not in body]
    silence = f"silent_on: {{{', '.join(f'{gate}: x' for gate in silent)}}}\n" if silent else ""
    return HEAD.format(name=name, confidence=confidence, sign_off=sign_off) + silence + body


def folder_with(tmp_path: Path, *packs: str) -> Path:
    folder = tmp_path / "policies"
    if not folder.exists():
        shutil.copytree(GOOD, folder)
    for number, text in enumerate(packs):
        (folder / "jurisdictions" / f"extra-{number}.yaml").write_text(text, encoding="utf-8")
    return folder


def load(tmp_path: Path, *packs: str, level: Confidence = Confidence.KNOWLEDGE) -> Loaded:
    return load_policies(folder_with(tmp_path, *packs), level=level)


def policies(tmp_path: Path, *packs: str, level: Confidence = Confidence.KNOWLEDGE) -> PolicySet:
    loaded = load(tmp_path, *packs, level=level)
    assert loaded.policies is not None, "\n".join(map(str, loaded.diagnostics))
    return loaded.policies


def regime(found: PolicySet, name: str = "ke-test") -> Regime:
    return next(regime for regime in found.regimes if regime.id == name)


def rule(found: PolicySet, full: str) -> Rule:
    name, gate, _ = full.split("/")
    return next(rule for rule in regime(found, name).rules[Gate(gate)] if rule.id == full)
