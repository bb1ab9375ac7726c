"""Layers around handlers: in which order, how often, and around which."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import grpc

from msc_authority.rpc.interceptors import Layers

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Handler

METHOD = "/msc_policy.v1.PolicyAuthority/GetPolicy"


class Details(grpc.HandlerCallDetails):
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


class Noted:
    """A layer that writes its name before what the handler answers, and counts what it wraps."""

    def __init__(self, name: bytes) -> None:
        self.name, self.methods = name, list[str]()

    def wrapped(self, method: str, handler: Handler) -> Handler:
        self.methods.append(method)
        inner = handler.unary_unary
        assert inner is not None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.name + inner(request, context))


def handler_of(answer: bytes) -> Handler:
    return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


class Table(grpc.GenericRpcHandler):
    """Handlers by name, as somebody registers them."""

    def __init__(self, **handlers: Handler) -> None:
        self.handlers, self.asked = handlers, 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        self.asked += 1
        return self.handlers.get(handler_call_details.method.rpartition("/")[2])


def found(layers: Layers, method: str = METHOD) -> Handler | None:
    return layers.service(Details(method))


def answer_of(handler: Handler | None) -> bytes:
    assert handler is not None
    assert handler.unary_unary is not None
    return handler.unary_unary(b"", cast("grpc.ServicerContext", None))


def test_the_first_layer_is_the_outermost() -> None:
    layers = Layers(Noted(b"log "), Noted(b"door "), around=[Table(GetPolicy=handler_of(b"policy"))])

    assert answer_of(found(layers)) == b"log door policy"


def test_a_method_is_found_and_wrapped_once_however_often_it_is_called() -> None:
    layer, table = Noted(b""), Table(GetPolicy=handler_of(b"policy"))
    layers = Layers(layer, around=[table])

    first, second = found(layers), found(layers)

    assert first is second
    assert (layer.methods, table.asked) == ([METHOD], 1)


def test_methods_of_one_table_are_told_apart() -> None:
    layers = Layers(Noted(b"door "), around=[Table(GetPolicy=handler_of(b"policy"), Evaluate=handler_of(b"done"))])
    for _ in range(2):
        assert answer_of(found(layers)) == b"door policy"
        assert answer_of(found(layers, "/msc_policy.v1.PolicyAuthority/Evaluate")) == b"door done"


def test_handlers_of_others_are_behind_the_layers_too() -> None:
    layers = Layers(Noted(b"door "), around=[Table(GetPolicy=handler_of(b"policy")), Table(Check=handler_of(b"up"))])

    assert answer_of(found(layers, "/grpc.health.v1.Health/Check")) == b"door up"


def test_there_is_no_handler_where_there_was_none() -> None:
    layer = Noted(b"")

    assert found(Layers(layer, around=[Table(Check=handler_of(b"up"))])) is None
    assert layer.methods == []


def test_names_that_nobody_serves_are_asked_for_anew_and_not_kept() -> None:
    table = Table()
    layers = Layers(Noted(b"door "), around=[table])

    assert [found(layers), found(layers)] == [None, None]
    assert table.asked == 2
