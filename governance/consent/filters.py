"""Apply a consent's residual filters to FHIR resources, one by one.

Filters are tried in order and the first that matches decides; a filter's attributes are AND, the values
inside one are OR. Matching is three-valued: what cannot be told (no label on the resource, no clinical
date) never satisfies a permit and never escapes a deny.

Example:
    >>> from governance.core.consent import DataScope
    >>> deny_hiv = Filter(permit=False, data=DataScope(labels=frozenset({"http://x|HIV"})))
    >>> flu = {"resourceType": "Observation", "meta": {"security": [{"system": "http://x", "code": "FLU"}]}}
    >>> may_go((deny_hiv,), True, flu)
    True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from governance.core.consent import Filter, Period, RelatedData
from governance.core.truth import Truth, truth

__all__ = ["may_go"]

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ORDER = "ULMNRV"
"""v3 Confidentiality, weakest first (HL7 v3-Confidentiality: U < L < M < N < R < V)."""
_DATES = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "onsetDateTime", "performedDateTime",
          "performedPeriod", "occurrenceDateTime", "authoredOn", "period", "date", "started", "recordedDate",
          "issued", "dateAsserted", "dateWritten", "created", "whenHandedOver")  # fmt: skip
_AUTHORS = ("author", "performer", "recorder", "asserter", "requester", "participant")

Resource = Mapping[str, object]


def may_go(filters: Sequence[Filter], otherwise: bool, resource: Resource) -> bool:  # noqa: FBT001 - the model's field
    """Say whether one resource of a consenting patient may go.

    Args:
        filters: ordered residual rules of the consent's answer.
        otherwise: what holds where no filter matches.
        resource: FHIR resource as parsed JSON.
    """
    for rule in filters:
        matched = _matches(rule, resource)
        if matched is Truth.TRUE:
            return rule.permit
        if matched is Truth.UNKNOWN and not rule.permit:
            return False
    return otherwise


def _matches(rule: Filter, resource: Resource) -> Truth:
    """AND over the attributes that the filter's scope states."""
    scope, tests = rule.data, list[Truth]()
    if scope.labels:
        tests.append(_labels(scope.labels, resource, permit=rule.permit))
    if scope.classes:
        tests.append(_classes(scope.classes, resource))
    if scope.codes:
        tests.append(_codes(scope.codes, resource))
    if scope.related:
        tests.append(max(_related(item, resource) for item in scope.related))
    if scope.data_period is not None:
        tests.append(_in_period(scope.data_period, resource))
    return min(tests, default=Truth.TRUE)


def _labels(wanted: frozenset[str], resource: Resource, *, permit: bool) -> Truth:
    """Compare security labels; without any (or without a confidentiality, where one is asked) it is unknown.

    Confidentiality is ordered: a permitted label also permits weaker ones, a denied one denies stronger ones.
    """
    meta = resource.get("meta")
    security = list(_codings(meta.get("security"))) if isinstance(meta, Mapping) else []
    labels = {f"{c.get('system', '')}|{c.get('code', '')}" for c in security}
    asked = {_rank(w) for w in wanted} - {-1}
    has = {_rank(label) for label in labels} - {-1}
    if asked and has:
        within = max(has) <= max(asked) if permit else max(has) >= min(asked)
        return truth(within or bool(labels & wanted - {w for w in wanted if _rank(w) >= 0}))
    if labels & wanted:
        return Truth.TRUE
    return Truth.UNKNOWN if asked or not labels else Truth.FALSE


def _rank(label: str) -> int:
    """Return the position of a confidentiality label, or -1 if it is another kind of label."""
    system, _, code = label.rpartition("|")
    return _ORDER.find(code) if system == _CONFIDENTIALITY and len(code) == 1 else -1


def _classes(wanted: frozenset[str], resource: Resource) -> Truth:
    """Compare resource type, and document class codes where the resource is a document."""
    kind = str(resource.get("resourceType", ""))
    plain = {item.rpartition("|")[2] for item in wanted}
    if kind in plain:
        return Truth.TRUE
    return truth(bool(_coded(resource, ("type", "category")) & wanted))


def _codes(wanted: frozenset[str], resource: Resource) -> Truth:
    """Compare clinical codes; a resource that carries none is unknown."""
    found = _coded(resource, ("code", "medicationCodeableConcept", "vaccineCode", "type", "category", "reasonCode"))
    if found & wanted:
        return Truth.TRUE
    return Truth.FALSE if found else Truth.UNKNOWN


def _coded(resource: Resource, elements: Sequence[str]) -> set[str]:
    return {f"{c.get('system', '')}|{c.get('code', '')}" for e in elements for c in _codings(resource.get(e))}


def _codings(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the codings of a Coding, a CodeableConcept or a list of either."""
    if isinstance(value, list):
        for item in value:
            yield from _codings(item)
    elif isinstance(value, Mapping):
        if isinstance(value.get("coding"), list):
            yield from _codings(value["coding"])
        elif "code" in value and isinstance(value["code"], str):
            yield value


def _related(item: RelatedData, resource: Resource) -> Truth:
    """FHIR consent-data-meaning: instance, related, dependents, authoredby."""
    own = f"{resource.get('resourceType')}/{resource.get('id')}"
    if item.meaning == "instance":
        return truth(own == item.reference)
    if item.meaning == "authoredby":
        named = {r for element in _AUTHORS for r in _references(resource.get(element))}
        if not any(element in resource for element in _AUTHORS):
            return Truth.UNKNOWN
        return truth(item.reference in named)
    if own == item.reference or item.reference in set(_references(dict(resource))):
        return Truth.TRUE
    # `dependents` may reach it through other resources, which one resource alone cannot show
    return Truth.FALSE if item.meaning == "related" else Truth.UNKNOWN


def _references(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, Mapping):
        reference = value.get("reference")
        if isinstance(reference, str):
            yield reference
        for item in value.values():
            yield from _references(item)


def _in_period(period: Period, resource: Resource) -> Truth:
    """Compare the datum's clinical date; without one, or across a boundary, it is unknown."""
    for element in _DATES:
        span = _span(resource.get(element))
        if span is None:
            continue
        start, end = span
        after_start = period.start is None or start >= period.start
        before_end = period.end is None or end <= period.end
        if after_start and before_end:
            return Truth.TRUE
        outside = (period.end is not None and start >= period.end) or (period.start is not None and end <= period.start)
        return Truth.FALSE if outside else Truth.UNKNOWN
    return Truth.UNKNOWN


def _span(value: object) -> tuple[datetime, datetime] | None:
    """Return the instants that a FHIR date, dateTime or Period may mean (end exclusive), or None."""
    if isinstance(value, Mapping):
        start, end = _span(value.get("start")), _span(value.get("end"))
        return None if start is None or end is None else (start[0], end[1])
    if not isinstance(value, str):
        return None
    try:
        return _moments(value)
    except ValueError:
        return None


def _moments(text: str) -> tuple[datetime, datetime]:
    """Expand a FHIR date of any precision; times without a zone are read as UTC."""
    if len(text) == len("2026"):
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == len("2026-11"):
        year, month = int(text[:4]), int(text[5:])
        return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if len(text) == len("2026-11-22"):
        return moment, datetime.fromordinal(moment.toordinal() + 1).replace(tzinfo=UTC)
    return moment, moment
