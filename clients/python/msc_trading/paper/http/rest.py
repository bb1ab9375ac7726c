"""The REST side: every request goes through here."""

from __future__ import annotations

import asyncio

from aiohttp import web

from msc_trading.paper.desk import Desk
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.http import routes_account, routes_market, routes_trade
from msc_trading.paper.http.faults import ArmedRequestFault, Reply, RequestFault
from msc_trading.paper.http.limits import BANNED, Refusal
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.route import Call, Route
from msc_trading.paper.http.text import dumps, milliseconds

ROUTES: dict[tuple[str, str], Route] = {
    (route.method, route.path): route for route in (*routes_market.ROUTES, *routes_trade.ROUTES, *routes_account.ROUTES)
}
KEY_HEADER = "X-MBX-APIKEY"
WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
ORDERS_10S_HEADER = "X-MBX-ORDER-COUNT-10S"
ORDERS_1M_HEADER = "X-MBX-ORDER-COUNT-1M"
DISCONNECTED = 499


class Rest:
    """Answers requests, as the armed faults let it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, request: web.Request) -> web.Response:
        """Answers one request."""
        query, body = request.rel_url.raw_query_string, (await request.read()).decode(errors="replace")
        faults = self._desk.faults.take(request.method, request.path, f"{query}&{body}")
        await self._hold_up(faults)
        replacing = next((fault for fault in faults if fault.kind is not RequestFault.DELAY), None)
        if replacing is None:
            return self._answer(request, query, body)
        if replacing.is_executed:
            self._answer(request, query, body)
        return _instead(request, replacing.reply)

    async def _hold_up(self, faults: list[ArmedRequestFault]) -> None:
        await self._desk.thawed.wait()
        for fault in faults:
            if fault.kind is RequestFault.DELAY:
                await asyncio.sleep(fault.delay_s)

    def _answer(self, request: web.Request, query: str, body: str) -> web.Response:
        desk = self._desk
        desk.catch_up()
        route = ROUTES.get((request.method, request.path))
        if route is None:
            return web.Response(status=404, text="<html><body><h2>404 Not found</h2></body></html>")
        try:
            # Before the signature: what is badly signed weighs as much.
            used, refusal = desk.limiter.charge(request.remote or "", route.cost(Params.parse(query, body)), desk.now())
            headers = {WEIGHT_HEADER: str(used)}
            if refusal is not None:
                return self._limited(refusal, headers)
            return self._carry_out(route, request, query, body, headers)
        except Rejected as refused:
            return _refused(refused, {})

    def _carry_out(
        self, route: Route, request: web.Request, query: str, body: str, headers: dict[str, str]
    ) -> web.Response:
        desk = self._desk
        key = request.headers.get(KEY_HEADER)
        call = Call(desk, Params({}), key or "")
        try:
            call.params = desk.gate.admit(route.access, key, query, body)
            answer = route.handler(call)
        except Rejected as refused:
            return _refused(refused, headers)
        finally:
            desk.publish()
        if call.orders:
            ten_seconds, minute = desk.limiter.order_counts()
            headers |= {ORDERS_10S_HEADER: str(ten_seconds), ORDERS_1M_HEADER: str(minute)}
        return web.Response(text=dumps(answer), content_type="application/json", headers=headers)

    def _limited(self, refusal: Refusal, headers: dict[str, str]) -> web.Response:
        limit = self._desk.config.rate_limits.weight_per_minute
        if refusal.status == BANNED:
            message = f"Way too many requests; IP banned until {milliseconds(refusal.until)}."
        else:
            message = f"Too many requests; current limit of IP is {limit} requests per minute."
        message += " Please use the websocket for live updates to avoid polling the API."
        return web.Response(
            status=refusal.status,
            text=dumps({"code": -1003, "msg": message}),
            content_type="application/json",
            headers={**headers, "Retry-After": str(refusal.wait_s)},
        )


def _refused(refused: Rejected, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=refused.status,
        text=dumps({"code": refused.code, "msg": refused.message}),
        content_type="application/json",
        headers=headers,
    )


def _instead(request: web.Request, reply: Reply) -> web.Response:
    if reply.body is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=DISCONNECTED)
    content_type = "application/json" if reply.is_json else "text/html"
    return web.Response(status=reply.status, text=reply.body, content_type=content_type)
