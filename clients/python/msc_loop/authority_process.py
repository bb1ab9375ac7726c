"""The authority of a run, in a process of its own, on simulated time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from msc_authority import logs
from msc_authority.compose.parts import Running, simulated_machine
from msc_authority.compose.running import run
from msc_authority.http import serving as http
from msc_authority.rpc import serving as rpc
from msc_authority.settings import Settings, load
from msc_loop.child import end_with_parent, hear, log_to_shared, tell
from msc_loop.pace import pace_at
from msc_loop.plan import LoopPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When simulated time begins in real time, and where to listen. `http_port` None: no HTTP."""

    started_at: datetime
    port: int
    http_port: int | None

    def as_json(self) -> str:
        """Returns it on one line."""
        document = {"started_at": self.started_at.isoformat(), "port": self.port, "http_port": self.http_port}
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str) -> Start:
        """Returns what `as_json` wrote."""
        document = json.loads(text)
        return cls(
            started_at=datetime.fromisoformat(document["started_at"]),
            port=document["port"],
            http_port=document["http_port"],
        )


def settings_of(plan: LoopPlan, start: Start) -> Settings:
    """Returns the authority's settings: the decision model as configured, the rest of this run.

    Alerts go to the log and the dashboard only: nobody is to be woken for money that is not there.
    """
    pace = pace_at(plan.speed)
    return load(config=plan.config).settings.model_copy(
        update={
            "home": plan.home,
            "database_url": plan.database_url,
            "grpc_host": "127.0.0.1",
            "grpc_port": start.port,
            "serve_http": start.http_port is not None,
            "http_host": "127.0.0.1",
            "http_port": start.http_port or 0,
            "alert_urls": (),
            "evaluation_period_s": pace.evaluate_every_s * plan.speed,
            "heartbeat_s": pace.heartbeat_s,
        }
    )


def main() -> None:
    """Serves the plan that the parent sends, from the instant that it sends next, until it is told to stop."""
    plan = LoopPlan.from_json(hear())
    tell("loaded")
    start = Start.from_json(hear())
    end_with_parent()
    settings = settings_of(plan, start)
    logs.configure(settings.log_format, settings.log_level)
    log_to_shared(plan.log, "authority")
    machine = simulated_machine(origin=plan.origin, started_at=start.started_at, speed=plan.speed)
    try:
        run(settings, on_ready=_announce, machine=machine)
    except (rpc.PortInUse, rpc.CannotListen, http.CannotListen) as error:
        tell("failed", why=str(error))
        raise SystemExit(1) from None


def _announce(running: Running) -> None:
    tell("ready", target=running.address, url=running.http_url)


if __name__ == "__main__":
    main()
