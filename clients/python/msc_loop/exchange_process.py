"""The paper exchange of a run, in a process of its own. Time stands still until the parent lets it run."""

from __future__ import annotations

import asyncio
import signal

from msc_loop.child import end_with_parent, hear, log_to_shared, log_to_stderr, tell
from msc_loop.plan import LoopPlan
from msc_loop.symbols import spec_of
from msc_trading.paper import PaperConfig, PaperExchange
from msc_trading.paper import serve as serve_exchange


def config_of(plan: LoopPlan) -> PaperConfig:
    """Returns what the exchange is started with."""
    return PaperConfig(
        symbols=tuple(spec_of(symbol) for symbol in plan.symbols),
        starting_balance=plan.balance,
        speed=plan.speed,
        paused=True,
        origin=plan.origin,
        seed=plan.seed,
    )


async def _serve(plan: LoopPlan) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    end_with_parent()
    feeds = {symbol: plan.feed(symbol) for symbol in plan.symbols}
    await serve_exchange(config_of(plan), feeds, stop=stop, ready=_announce)


def _announce(exchange: PaperExchange) -> None:
    tell("ready", rest_url=exchange.rest_url, stream_url=exchange.stream_url, admin_url=exchange.admin_url)


def main() -> None:
    """Runs the exchange of the plan that the parent sends, until it is told to stop."""
    log_to_stderr()
    plan = LoopPlan.from_json(hear())
    log_to_shared(plan.log, "exchange")
    asyncio.run(_serve(plan))


if __name__ == "__main__":
    main()
