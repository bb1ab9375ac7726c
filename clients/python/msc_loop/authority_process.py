"""The authority of a run, in a process of its own, on simulated time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from msc_authority import logs
from msc_authority.compose import Running, run, simulated_machine
from msc_authority.rpc.serving import CannotListen, PortInUse
from msc_authority.settings import Settings, load
from msc_loop.child import end_with_parent, hear, tell
from msc_loop.plan import EVALUATE_EVERY, LoopPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When simulated time begins in real time, and where to listen."""

    started_at: datetime
    port: int

    def as_json(self) -> str:
        """Returns it on one line."""
        return json.dumps({"started_at": self.started_at.isoformat(), "port": self.port})

    @classmethod
    def from_json(cls, text: str) -> Start:
        """Returns what `as_json` wrote."""
        document = json.loads(text)
        return cls(started_at=datetime.fromisoformat(document["started_at"]), port=document["port"])


def settings_of(plan: LoopPlan, port: int) -> Settings:
    """Returns the authority's settings: the decision model as configured, the rest of this run."""
    return load(config=plan.config).settings.model_copy(
        update={
            "home": plan.home,
            "database_url": plan.database_url,
            "grpc_host": "127.0.0.1",
            "grpc_port": port,
            "evaluation_period_s": EVALUATE_EVERY.total_seconds(),
            "heartbeat_s": 1.0,
        }
    )


def main() -> None:
    """Serves the plan that the parent sends, from the instant that it sends next, until it is told to stop."""
    plan = LoopPlan.from_json(hear())
    tell("loaded")
    start = Start.from_json(hear())
    end_with_parent()
    settings = settings_of(plan, start.port)
    logs.configure(settings.log_format, settings.log_level)
    machine = simulated_machine(origin=plan.origin, started_at=start.started_at, speed=plan.speed)
    try:
        run(settings, on_ready=_announce, machine=machine)
    except (PortInUse, CannotListen) as error:
        tell("failed", why=str(error))
        raise SystemExit(1) from None


def _announce(running: Running) -> None:
    tell("ready", target=running.address)


if __name__ == "__main__":
    main()
