"""The table of who may do what: what each role covers, and that what is not listed is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.app.access import (
    OPEN,
    ROUTES,
    RPCS,
    WEBSOCKET,
    AccessRefused,
    Identity,
    Kind,
    NotListed,
    Role,
    RoleMissing,
    acting_as,
    actor,
    caller,
    check_role,
    may_ask,
    methods_of,
    need_of_route,
    need_of_rpc,
    require,
    require_route,
)
from msc_authority.app.scopes import FIELDS, field_out_of_scope
from msc_authority.app.tokens import SCOPES


def an_identity(*roles: Role, scope: dict[str, tuple[str, ...]] | None = None) -> Identity:
    return Identity(name="anna", kind=Kind.TOKEN, roles=frozenset(roles), scope=scope)


@pytest.mark.parametrize(
    ("role", "covers"),
    [
        (Role.READER, {Role.READER}),
        (Role.JOURNAL, {Role.READER, Role.JOURNAL}),
        (Role.EVALUATOR, {Role.READER, Role.EVALUATOR}),
        (Role.OPERATOR, set(Role)),
    ],
)
def test_a_role_covers_these_and_no_others(role: Role, covers: set[Role]) -> None:
    assert {need for need in Role if an_identity(role).may(need)} == covers


def test_several_roles_cover_what_each_of_them_does() -> None:
    both = an_identity(Role.JOURNAL, Role.EVALUATOR)

    assert {need for need in Role if both.may(need)} == {Role.READER, Role.JOURNAL, Role.EVALUATOR}


def test_without_a_role_one_may_nothing_that_is_not_open() -> None:
    check_role(an_identity(), OPEN)
    for need in Role:
        with pytest.raises(RoleMissing):
            check_role(an_identity(), need)


@given(st.text())
def test_an_rpc_that_is_not_listed_is_refused_to_everybody(method: str) -> None:
    if method not in RPCS:
        assert need_of_rpc(method) is None
        with pytest.raises(NotListed):
            check_role(an_identity(Role.OPERATOR), need_of_rpc(method))


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", WEBSOCKET]), st.text(alphabet="/.ab%_*"))
def test_a_route_that_is_not_listed_asks_for_nothing_that_anybody_has(method: str, path: str) -> None:
    if (method, path) not in ROUTES:
        assert need_of_route(method, path) is None


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/healthz", OPEN),
        ("HEAD", "/openapi.json", Role.READER),
        ("GET", "/dashboard-assets/chart.js", Role.READER),
        ("GET", "/_nicegui/3.18.0/esm/a/b.js", Role.READER),
        (WEBSOCKET, "/_nicegui_ws/socket.io/", Role.READER),
        ("POST", "/api/msc/evaluate", Role.EVALUATOR),
        ("GET", "/api/msc/evaluate", None),
        ("POST", "/api/msc/status", None),
        ("GET", "/api/msc/status/", None),
        ("GET", "//api/msc/status", None),
        ("GET", "/_nicegui", None),
        ("GET", "/_nicegui/../api/msc/status", None),
        ("GET", "/dashboard-assets/..", None),
        ("GET", "/healthz/x", None),
        ("GET", "", None),
        ("GET", "*", None),
        ("get", "/healthz", None),
    ],
)
def test_what_a_route_asks_for(method: str, path: str, need: object) -> None:
    assert need_of_route(method, path) == need


def test_the_methods_of_a_path_are_those_of_the_table() -> None:
    assert methods_of("/login") == ("GET", "HEAD", "POST")
    assert methods_of("/_nicegui_ws/x") == ("GET", "POST")
    assert methods_of("/api/msc/events") == ("GET",)
    assert methods_of("/nowhere") == ()


def test_everything_that_changes_something_asks_for_more_than_reading() -> None:
    changing = {f"{service}/{name}" for service, name in [key.rsplit("/", 1) for key in RPCS] if name in CHANGES}

    assert {RPCS[method] for method in changing}.isdisjoint({OPEN, Role.READER})
    assert changing == {method for method, need in RPCS.items() if need not in {OPEN, Role.READER}}


CHANGES = {"Evaluate", "Record", "Act", "LiftOverride"}


def test_who_acts_is_known_within_the_block_and_nobody_else_behind_it() -> None:
    anna = an_identity(Role.READER)
    with acting_as(anna):
        assert (caller(), actor()) == (anna, "anna")
        with pytest.raises(RoleMissing, match="anna needs the role evaluator"):
            require(Role.EVALUATOR)
        require(Role.READER)

    assert (caller(), actor()) == (None, "authority")
    with pytest.raises(RoleMissing, match="not known who asks"):
        require(Role.READER)


@pytest.mark.parametrize(
    ("method", "path", "role", "may"),
    [
        ("POST", "/api/msc/act", Role.OPERATOR, True),
        ("POST", "/api/msc/act", Role.EVALUATOR, False),
        ("POST", "/api/msc/evaluate", Role.EVALUATOR, True),
        ("POST", "/api/msc/evaluate", Role.READER, False),
        ("GET", "/healthz", Role.READER, True),
        ("POST", "/api/msc/nothing", Role.OPERATOR, False),
    ],
)
def test_what_a_route_asks_for_holds_for_who_comes_another_way(method: str, path: str, role: Role, may: bool) -> None:
    with acting_as(Identity(name="anna", kind=Kind.TOKEN, roles=frozenset({role}))):
        assert may_ask(method, path) is may
        if may:
            require_route(method, path)
        else:
            with pytest.raises(AccessRefused):
                require_route(method, path)


def test_nobody_is_let_in_by_another_way_but_where_all_are() -> None:
    assert not may_ask("POST", "/api/msc/act")
    assert may_ask("GET", "/healthz")


def test_every_scope_that_a_token_may_have_is_kept() -> None:
    assert set(FIELDS) == set(SCOPES)


def test_a_fact_is_bound_by_each_of_its_fields_that_the_scope_names() -> None:
    from msc_builders import a_trade, an_equity_point, an_execution

    bound = an_identity(Role.JOURNAL, scope={"account": ("main", "sub-"), "strategy": ("TREND_",)})

    assert field_out_of_scope(bound, an_execution(account="main-1", strategy_id="TREND_001")) is None
    assert field_out_of_scope(bound, an_execution(account="sub-9", strategy_id="RANGE_001")) == "strategy_id"
    assert field_out_of_scope(bound, an_equity_point(account="other")) == "account"
    assert field_out_of_scope(bound, a_trade(strategy_id="TREND_002")) is None
    assert field_out_of_scope(bound, a_trade(strategy_id="RANGE_002")) == "strategy_id"
    assert field_out_of_scope(an_identity(Role.JOURNAL), an_equity_point(account="other")) is None
