"""Layers around handlers: in which order, how often, and around which."""

from __future__ import annotations

import asyncio
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


def intercepted(layers: Layers, handler: Handler | None, method: str = METHOD) -> Handler | None:
    async def continuation(details: grpc.HandlerCallDetails) -> Handler | None:
        return handler

    return asyncio.run(layers.intercept_service(continuation, Details(method)))


def answer_of(handler: Handler | None) -> bytes:
    assert handler is not None
    assert handler.unary_unary is not None
    return handler.unary_unary(b"", cast("grpc.ServicerContext", None))


def test_the_first_layer_is_the_outermost() -> None:
    layers = Layers(Noted(b"log "), Noted(b"door "))

    assert answer_of(intercepted(layers, handler_of(b"policy"))) == b"log door policy"


def test_a_method_is_wrapped_once_however_often_it_is_called() -> None:
    layer = Noted(b"")
    layers, handler = Layers(layer), handler_of(b"policy")

    first, second = intercepted(layers, handler), intercepted(layers, handler)

    assert first is second
    assert layer.methods == [METHOD]


def test_another_handler_of_the_same_name_gets_layers_of_its_own() -> None:
    layers = Layers(Noted(b"door "))
    intercepted(layers, handler_of(b"old"))

    assert answer_of(intercepted(layers, handler_of(b"new"))) == b"door new"


def test_handlers_of_others_are_behind_the_layers_too() -> None:
    layers = Layers(Noted(b"door "))

    assert answer_of(intercepted(layers, handler_of(b"up"), "/grpc.health.v1.Health/Check")) == b"door up"


def test_there_is_no_handler_where_there_was_none() -> None:
    layer = Noted(b"")

    assert intercepted(Layers(layer), None) is None
    assert layer.methods == []
