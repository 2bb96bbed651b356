"""Roles: the table says exactly what Casbin says, and nothing beyond."""

from __future__ import annotations

import itertools
from importlib.metadata import PackageNotFoundError, version

import casbin
import pytest

from governance.access import MODEL, POLICY, Action, Caller, Role, load_access
from governance.errors import AccessDeniedError

TABLE = load_access()


def test_the_table_equals_a_fresh_derivation_from_casbin() -> None:
    enforcer = casbin.Enforcer(str(MODEL), str(POLICY), enable_log=False)
    expected = {
        (str(role), str(action), tenant)
        for role, action, tenant in itertools.product(Role, Action, ("own", "other"))
        if enforcer.enforce(str(role), str(action), tenant)
    }
    assert expected == TABLE.allowed


def test_nobody_acts_in_another_tenant() -> None:
    assert [row for row in TABLE.allowed if row[2] != "own"] == []


def test_every_action_is_open_to_somebody_and_every_role_may_do_something() -> None:
    assert {action for _, action, _ in TABLE.allowed} == {str(a) for a in Action}
    assert {role for role, _, _ in TABLE.allowed} == {str(r) for r in Role}


def test_an_unknown_role_or_action_is_refused() -> None:
    assert not TABLE.allows("king", "decide", same_tenant=True)
    assert not TABLE.allows("officer", "rule", same_tenant=True)


def test_require_raises_without_saying_more_than_role_and_action() -> None:
    platform = Caller(tenant="a", user="p", role=Role.PLATFORM)
    TABLE.require(platform, Action.DECIDE)
    with pytest.raises(AccessDeniedError, match="`platform` may not `release`"):
        TABLE.require(platform, Action.RELEASE)
    with pytest.raises(AccessDeniedError):
        TABLE.require(platform, Action.DECIDE, tenant="b")


def test_the_submitting_role_cannot_verify_evidence() -> None:
    submitters = {role for role, action, _ in TABLE.allowed if action == "submit-evidence"}
    verifiers = {role for role, action, _ in TABLE.allowed if action == "verify-evidence"}
    assert submitters & verifiers == set()


def test_the_stale_casbin_distribution_is_absent() -> None:
    with pytest.raises(PackageNotFoundError):
        version("casbin")
    assert version("pycasbin").startswith("2.")


def test_default_deny_and_forbid_wins_in_the_model(tmp_path) -> None:
    policy = tmp_path / "policy.csv"
    policy.write_text("p, officer, decide, own, allow\np, officer, decide, own, deny\np, auditor, decide, own, allow\n")
    table = load_access(policy=policy)
    assert table.allowed == {("auditor", "decide", "own")}
