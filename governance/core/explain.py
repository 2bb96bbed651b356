"""A ruling as sentences that a compliance officer can read aloud.

First the verdict, then what decided it law by law with citations (the rule that decides first), then duties, what
is missing, and what to know beside it. The sentences are for those who hold the data; `ruling.subject_free` is for
the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC

from governance.core.reasons import ENGINE
from governance.core.rules import Gate, PolicySet
from governance.core.ruling import Duty, Effect, Reason, Refer, Ruling
from governance.core.truth import Truth

__all__ = ["sentences"]

_REFERRED = {
    Refer.MISSING_FACTS: "Referred: facts are missing, and nothing crosses until they are known.",
    Refer.NOT_COVERED: "Referred: the law that must be asked here was not examined.",
    Refer.HUMAN_JUDGEMENT: "Referred: a person must judge.",
    Refer.UNVERIFIED_LAW: "Referred: it would rest on law that is not known well enough.",
}
_OUTCOME = {
    (Gate.OUTSIDE_SCOPE, Truth.TRUE): "takes this out of its scope",
    (Gate.PROHIBITION, Truth.TRUE): "prohibits this",
    (Gate.GROUND, Truth.TRUE): "opens a ground",
    (Gate.GROUND, Truth.FALSE): "has a ground that does not apply",
    (Gate.MECHANISM, Truth.TRUE): "opens a way to transfer",
    (Gate.MECHANISM, Truth.FALSE): "has a way to transfer that does not apply",
    (Gate.REQUIREMENT, Truth.TRUE): "has a requirement that is met",
    (Gate.REQUIREMENT, Truth.FALSE): "has a requirement that is not met",
    (Gate.REVIEW, Truth.TRUE): "wants a person's review",
    (Gate.EXCEPTION, Truth.TRUE): "makes an exception",
    (Gate.DUTY, Truth.TRUE): "adds duties",
}
_OPEN = {Truth.UNKNOWN: "cannot be applied until more is known", Truth.HUMAN: "wants a person's judgement"}
_DECIDES = {
    (Gate.PROHIBITION, Truth.TRUE): 0, (Gate.REQUIREMENT, Truth.FALSE): 1, (Gate.GROUND, Truth.FALSE): 2,
    (Gate.MECHANISM, Truth.FALSE): 3,
}  # fmt: skip


def sentences(ruling: Ruling, policies: PolicySet) -> tuple[str, ...]:
    """Write a ruling as sentences.

    Args:
        ruling: what `decide` answered.
        policies: the policy set it was made under (for the laws' titles).
    """
    titles = {regime.id: regime.title for regime in policies.regimes}
    return (
        _verdict(ruling),
        *(_first_up(f"{note}.") for note in ruling.notes),
        *_by_regime(ruling, titles),
        *(_duty(duty, ruling) for duty in ruling.duties),
        *_closing(ruling),
    )


def _verdict(ruling: Ruling) -> str:
    if ruling.effect is Effect.DENY:
        return "Denied: the law that applies does not allow this."
    if ruling.effect is Effect.REFER:
        assert ruling.refer is not None
        return _REFERRED[ruling.refer]
    left = f", {_count(ruling.subjects_out, 'person')} left out" if ruling.subjects_out else ""
    form = "as it is" if ruling.profile == "as-is" else f"in the profile {ruling.profile}"
    kept = f"; withheld: {', '.join(ruling.parts_withheld)}" if ruling.parts_withheld else ""
    parts = ", ".join(ruling.parts_in)
    return f"Permitted {form}: {parts} of {_count(ruling.subjects_in, 'person')}{left}{kept}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else {'person': 'people'}.get(noun, f'{noun}s')}"


def _by_regime(ruling: Ruling, titles: dict[str, str]) -> Iterator[str]:
    own = [reason for reason in ruling.reasons if reason.regime == ENGINE]
    laws: dict[str, list[Reason]] = {}
    for reason in ruling.reasons:
        if reason.regime != ENGINE:
            laws.setdefault(reason.regime, []).append(reason)
    yield from (_place(reason, ruling, reason.says) for reason in own)
    for regime, reasons in sorted(laws.items(), key=lambda item: (min(map(_weight, item[1])), item[0])):
        for reason in sorted(reasons, key=_weight):
            yield _reason(reason, titles.get(regime, regime), ruling)


def _weight(reason: Reason) -> int:
    """Return how far a reason stands from having decided."""
    if reason.relied_on:
        return 0
    if reason.outcome in _OPEN:
        return 4
    return _DECIDES.get((reason.gate or Gate.DUTY, reason.outcome), 5)


def _reason(reason: Reason, title: str, ruling: Ruling) -> str:
    gate = reason.gate or Gate.DUTY
    does = _OPEN.get(reason.outcome) or _OUTCOME.get((gate, reason.outcome), "was looked at")
    if reason.outcome in _OPEN:
        does = f"has a rule on {gate.value.replace('_', ' ')} that {does}"
    also = "" if reason.relied_on or ruling.effect is not Effect.PERMIT else " as well"
    cite = f" ({reason.cite})" if reason.cite else ""
    says = f": {reason.says}" if reason.says else "."
    return _place(reason, ruling, f"{title}{cite} {does}{also}{says}")


def _place(reason: Reason, ruling: Ruling, text: str) -> str:
    """Add where a reason speaks and which facts it read."""
    where = []
    if reason.leg is not None:
        where.append(f"leg {reason.leg + 1}")
    if reason.part is not None:
        where.append(f"part {reason.part}")
    if ruling.effect is not Effect.PERMIT and reason.profile != "as-is":
        where.append(f"profile {reason.profile}")
    facts = "; ".join(f"{key}: {value}" for key, value in reason.facts)
    beside = [", ".join(where)] if where else []
    beside += [facts] if facts else []
    return f"{text} [{' - '.join(beside)}]" if beside else text


def _duty(duty: Duty, ruling: Ruling) -> str:
    params = "; ".join(f"{name}: {', '.join(values)}" for name, values in duty.params)
    because = ", ".join(duty.because)
    owed = "Duty" if ruling.effect is Effect.PERMIT else "Duty all the same"
    return f"{owed} of the {duty.by}, {duty.when}: {duty.type}{f' ({params})' if params else ''}, because of {because}."


def _closing(ruling: Ruling) -> Sequence[str]:
    closing = []
    if ruling.missing:
        closing.append(f"Missing: {', '.join(ruling.missing)}.")
        if ruling.refer is Refer.HUMAN_JUDGEMENT:
            closing.append("No review is opened before these facts are known.")
    elif ruling.arguable:
        closing.append(f"A person must judge: {', '.join(ruling.arguable)}.")
    if ruling.check_again_by is not None:
        closing.append(f"Ask again by {ruling.check_again_by.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    return closing


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
