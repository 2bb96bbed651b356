"""Shares of ownership: chains, cascades, rings, and what is not disclosed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.core.facts import Interval
from governance.core.ownership import Owner, Party, share_owned
from tests.core.builders import VOCABULARY

GROUP = frozenset({"CN"})
PLACES = VOCABULARY.taxonomies["place"]


def party(*owners: tuple[str, float], at: str = "US", undisclosed: float | None = 0.0) -> Party:
    return Party(places=frozenset({at}), owners=tuple(Owner(holder=h, percent=p) for h, p in owners), undisclosed=undisclosed)


def share(parties, cascade_at=None) -> Interval:
    return share_owned(parties, "lab", GROUP, cascade_at=cascade_at, places=PLACES)


def test_a_direct_share_counts_and_an_undisclosed_one_widens() -> None:
    assert share({"lab": party(("CN", 30), ("US", 50), undisclosed=20)}) == Interval(30, 50)


def test_what_nobody_stated_is_undisclosed() -> None:
    assert share({"lab": party(("CN", 30), undisclosed=None)}) == Interval(30, 100)
    assert share({"lab": party(undisclosed=None)}) == Interval(0, 100)
    assert share({}) == Interval(0, 100)


@pytest.mark.parametrize(("cascade", "expected"), [(None, 24), (50, 40), (70, 0)])
def test_a_chain_multiplies_or_cascades(cascade, expected) -> None:
    chain = {"lab": party(("holding", 40), ("US", 60)), "holding": party(("CN", 60), ("US", 40))}
    assert share(chain, cascade) == Interval(expected, expected)


def test_an_owner_at_a_place_of_the_group_counts_whole_and_the_partys_own_place_does_not() -> None:
    assert share({"lab": party(("fund", 25), ("US", 75), at="CN"), "fund": party(at="CN")}) == Interval(25, 25)


def test_an_owner_nobody_knows_is_undisclosed() -> None:
    assert share({"lab": party(("shell", 45), ("US", 55))}) == Interval(0, 45)


def test_a_ring_of_owners_is_bounded() -> None:
    ring = {"lab": party(("other", 50), ("CN", 50)), "other": party(("lab", 100))}
    assert share(ring).low == pytest.approx(100, abs=1e-3)
    closed = {"lab": party(("other", 100)), "other": party(("lab", 100))}
    assert share(closed) == Interval(0, 100)


_NAMES = ("lab", "a", "b", "c")


@st.composite
def graphs(draw) -> dict[str, Party]:
    graph = {}
    for name in _NAMES:
        left, owners = 100, []
        for _ in range(draw(st.integers(0, 3))):
            percent = draw(st.integers(0, left))
            left -= percent
            owners.append((draw(st.sampled_from(("CN", "US", *_NAMES))), float(percent)))
        graph[name] = party(*owners, undisclosed=float(draw(st.integers(0, left))))
    return graph


@given(graphs(), st.sampled_from((None, 50.0)), st.sampled_from(_NAMES))
def test_adding_an_owner_of_the_group_never_lowers_the_known_share(graph, cascade, name) -> None:
    more = {**graph, name: replace(graph[name], owners=(*graph[name].owners, Owner(holder="CN", percent=10.0)))}
    assert share(more, cascade).low >= share(graph, cascade).low


@given(graphs(), st.sampled_from((None, 50.0)))
def test_the_share_is_an_interval_within_the_whole(graph, cascade) -> None:
    got = share(graph, cascade)
    assert 0 <= got.low <= got.high <= 100
