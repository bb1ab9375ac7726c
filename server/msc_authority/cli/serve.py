"""`msc serve`: runs the authority until Ctrl-C."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import DEFAULT_TARGET, ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import instant, print_json

if TYPE_CHECKING:
    from msc_authority.app.replay import ReplayStep
    from msc_authority.cli.demo import Demo
    from msc_authority.compose.parts import Running
    from msc_authority.settings import Loaded, Settings


@command
def serve(  # noqa: PLR0917 - each is an option of the command, given by name
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve a bundled sample from a home of its own, never your data.")
    ] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
    database_url: Annotated[str | None, typer.Option(metavar="URL", help="sqlite:/// or postgresql://.")] = None,
    grpc_host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    grpc_port: Annotated[int | None, typer.Option(metavar="PORT", help="Port to listen on. 0: any.")] = None,
    serve_http: Annotated[
        bool | None, typer.Option("--http/--no-http", help="Serve dashboard and REST.", show_default="yes")
    ] = None,
    http_host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address for HTTP.")] = None,
    http_port: Annotated[int | None, typer.Option(metavar="PORT", help="Port for HTTP. 0: any.")] = None,
    evaluation_period_s: Annotated[float | None, typer.Option(help="Seconds between evaluations.")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="human|json", help="How log lines look.")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="DEBUG to CRITICAL.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the authority until Ctrl-C: evaluate now and every 30 min, tell every client, show it all in a browser.

    With --json, one object when it is ready; logs go to standard error. What is not given comes from MSC_* variables,
    then from the configuration file (see msc config show).
    """
    flags = {
        "home": home,
        "database_url": database_url,
        "grpc_host": grpc_host,
        "grpc_port": grpc_port,
        "serve_http": serve_http,
        "http_host": http_host,
        "http_port": http_port,
        "evaluation_period_s": evaluation_period_s,
        "log_format": log_format,
        "log_level": log_level,
    }
    try:
        _run(load_settings(config, flags), demo=demo, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None


def _run(loaded: Loaded, *, demo: bool, as_json: bool) -> None:
    import logging

    from msc_authority import logs

    settings = loaded.settings.for_demo() if demo else loaded.settings
    logs.configure(settings.log_format, settings.log_level)
    for notice in _notices(loaded, demo=demo):
        logging.getLogger("msc_authority").warning("%s", notice)
    with _told():
        sample = _prepared(settings, quiet=as_json) if demo else None
        from msc_authority.compose.running import run

        run(settings, on_ready=_announcer(settings, sample, as_json=as_json))


def _notices(loaded: Loaded, *, demo: bool) -> Iterator[str]:
    yield from loaded.settings.notices()
    if demo and "database_url" in loaded.origins:
        yield f"database_url ({loaded.origins['database_url']}) is not used: the demo keeps to a database of its own"
    if demo and "alert_urls" in loaded.origins:
        yield f"alert_urls ({loaded.origins['alert_urls']}) is not used: the demo sends no alerts"
    if demo and "redis_url" in loaded.origins:
        yield f"redis_url ({loaded.origins['redis_url']}) is not used: the demo keeps its policy to itself"


@contextmanager
def _told() -> Iterator[None]:
    from msc_authority.adapters.tls_files import TlsUnusable
    from msc_authority.http import serving as http
    from msc_authority.ports.cache import CacheUnusable
    from msc_authority.ports.store import StoreError
    from msc_authority.rpc.serving import CannotListen, PortInUse

    try:
        yield
    except PortInUse as error:
        raise CommandError(str(error), advice="msc doctor says who answers there", reason="PORT_IN_USE") from error
    except http.PortInUse as error:
        raise CommandError(str(error), reason="PORT_IN_USE") from error
    except (CannotListen, http.CannotListen) as error:
        raise CommandError(str(error), code=ExitCode.USAGE, reason="CANNOT_LISTEN") from error
    except TlsUnusable as error:
        advice = "check tls_certificate, tls_key and tls_client_ca"
        raise CommandError(str(error), advice=advice, code=ExitCode.USAGE, reason="TLS") from error
    except CacheUnusable as error:
        raise CommandError(str(error), code=ExitCode.USAGE, reason="REDIS") from error
    except StoreError as error:
        raise CommandError(str(error), advice="msc doctor checks the database", reason="STORE") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", advice="choose another --home") from error


def _prepared(settings: Settings, *, quiet: bool) -> Demo:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.cli.demo import prepare_demo

    if quiet:
        return prepare_demo(settings, SystemClock(), lambda _: None)
    with _progress() as on_step:
        return prepare_demo(settings, SystemClock(), on_step)


@contextmanager
def _progress() -> Iterator[Callable[[ReplayStep], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[mode]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Loading the sample", total=None, mode="", visible=False)

        def on_step(step: ReplayStep) -> None:
            mode = step.outcome.candidate.risk_mode.name
            progress.update(task, completed=step.number, total=step.total, mode=mode, visible=True)

        yield on_step


def _announcer(settings: Settings, sample: Demo | None, *, as_json: bool) -> Callable[[Running], None]:
    def announce(running: Running) -> None:
        from msc_authority.cli import systemd

        ref = running.head.ref
        systemd.ready(f"Serving on {running.address}, policy {ref.epoch}:{ref.version}")
        if as_json:
            print_json(_ready(settings, running, sample))
        else:
            typer.echo("\n".join(_banner(settings, running, sample)))
        sys.stdout.flush()

    return announce


def _ready(settings: Settings, running: Running, sample: Demo | None) -> dict[str, object]:
    from msc_authority.masking import mask_text

    return {
        "event": "ready",
        "target": running.address,
        "http_url": running.http_url,
        "server_id": running.server_id,
        "home": str(settings.home),
        "database_url": mask_text(running.database_url),
        "epoch": running.head.ref.epoch,
        "version": running.head.ref.version,
        "demo": sample is not None,
    }


def _banner(settings: Settings, running: Running, sample: Demo | None) -> Iterator[str]:
    from msc_authority.masking import mask_text

    msc, address = _msc(), running.address
    target = "" if address == DEFAULT_TARGET else f" --target {address}"
    ref = running.head.ref
    policy = f"version {ref.version} of epoch {ref.epoch}" if ref.version else "none yet, evaluating"
    yield f"\nThe authority is ready on {address}."
    yield f"Policy: {policy}"
    yield f"Database: {mask_text(running.database_url)}"
    if sample is not None:
        yield from _sample_lines(settings, sample)
    yield "\nLook at it:"
    for words in ("status", "watch", "strategies", "health", "history", "evaluate --dry-run"):
        yield f"  {msc} {words}{target}"
    yield "\nOr with grpcurl, without the proto files:"
    how = "-plaintext" if running.tls is None else "-cacert CA.pem"
    yield f"  grpcurl {how} {address} list"
    yield f"  grpcurl {how} {address} msc_policy.v1.PolicyAuthority/GetPolicy"
    yield f"  grpcurl {how} {address} msc_policy.v1.PolicyAuthority/WatchPolicy"
    yield f"  grpcurl {how} {address} grpc.health.v1.Health/Check"
    if running.http_url is not None:
        yield from _http_lines(running.http_url)
    yield "\nCtrl-C stops it.\n"


def _http_lines(url: str) -> Iterator[str]:
    yield "\nOr over HTTP:"
    yield f"  {url}/  the dashboard, in a browser"
    for path in ("/api/msc/status", "/api/msc/history?limit=10", "/api/msc/strategies"):
        yield f"  curl {url}{path}" if "?" not in path else f"  curl '{url}{path}'"
    yield f"  {url}/docs  the rest of it"


def _sample_lines(settings: Settings, sample: Demo) -> Iterator[str]:
    until = instant(sample.newest_fact_at.isoformat())
    yield "\nTHIS IS SAMPLE DATA: a made-up fleet on made-up prices, not anybody's money."
    yield f"It ends at {until}; {settings.decision.facts_max_age_s / 3600:g} h without newer facts turn the policy"
    yield f"DEFENSIVE. To load it anew, stop this and delete {settings.home}"


def _msc() -> str:
    """How the reader can call this program: by name where it is on PATH, else by its place."""
    return "msc" if shutil.which("msc") else str(Path(sys.executable).with_name("msc"))
