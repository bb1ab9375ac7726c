"""Configuration: one frozen object from defaults < TOML file < MSC_* environment < flags, read once at start."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)

from msc_authority.core.config import DecisionConfig
from msc_authority.settings_environment import ConfigurationError, from_environment, variable_of
from msc_authority.settings_kinds import (
    EvidenceDays,
    FilePath,
    HostName,
    KeptDays,
    Port,
    RoleName,
    Seconds,
    as_decision,
    as_public_url,
    as_redis_url,
    as_role_words,
    as_urls,
    as_words,
    check_database_url,
    is_loopback,
    not_a_boolean,
)
from msc_authority.settings_table import flatten_table

__all__ = ["ConfigurationError", "Loaded", "Settings", "default_home", "is_loopback", "load", "sqlite_url"]

CONFIG_FILE_NAME = "msc.toml"
DATABASE_FILE_NAME = "msc.db"


def default_home() -> Path:
    """The platform's data directory for this program."""
    from platformdirs import user_data_path

    return user_data_path("msc", appauthor=False)


class Settings(BaseModel):
    """Everything the authority is configured by. Made directly it reads nothing but its arguments; see `load`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Path = Field(
        default_factory=default_home,
        description="Folder that holds the authority's state.",
    )
    database_url: str = Field(default="", description="Database, sqlite or postgresql. Empty: msc.db in home.")
    redis_url: Annotated[str, AfterValidator(as_redis_url)] | None = Field(
        default=None, repr=False, description="Redis or Valkey beside the database, redis:// or rediss://. Unset: none."
    )
    redis_key_prefix: str = Field(
        default="msc:",
        pattern=r"^[A-Za-z0-9_.:{}-]{1,64}$",
        description="What the keys in Redis begin with; one for each database.",
    )
    grpc_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address the gRPC server listens on.",
    )
    grpc_port: Port = Field(default=7443, description="Port of the gRPC server. 0: any free one.")
    serve_http: bool = Field(default=True, description="Serve the REST API, the dashboard and the metrics.")
    http_host: str = Field(default="127.0.0.1", min_length=1, description="Address the HTTP server listens on.")
    http_port: Port = Field(default=8000, description="Port of the HTTP server. 0: any free one.")
    http_allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(as_words)] = Field(
        default=(), description="Further names under which browsers reach the HTTP server."
    )
    public_url: Annotated[str, AfterValidator(as_public_url)] = Field(
        default="", description="Where others reach the HTTP server, as links in alerts say. Empty: where it listens."
    )
    allow_plaintext_remote: bool = Field(
        default=False, description="Allow plaintext gRPC and HTTP beyond this machine."
    )
    tls_certificate: FilePath | None = Field(default=None, description="Certificate chain of this server, PEM.")
    tls_key: FilePath | None = Field(default=None, description="Private key to the certificate, PEM.")
    tls_client_ca: FilePath | None = Field(
        default=None, description="CA whose certificates every client must show, PEM. Unset: none are asked for."
    )
    certificates: Annotated[Mapping[str, tuple[RoleName, ...]], BeforeValidator(as_role_words)] = Field(
        default_factory=dict, description="Roles of the names in clients' certificates."
    )
    loopback_role: Literal["none", "reader", "journal", "evaluator", "operator"] = Field(
        default="operator", description="Role of who calls from this machine without a token."
    )
    allow_anonymous_remote: bool = Field(
        default=False, description="Let callers from elsewhere in without a token, as remote_role."
    )
    remote_role: RoleName = Field(default="reader", description="Role of who is let in so.")
    max_requests_per_s: Annotated[float, BeforeValidator(not_a_boolean)] = Field(
        default=1000.0,
        ge=1,
        le=1_000_000,
        allow_inf_nan=False,
        description="Requests a second from one identity, or one address; ten seconds' worth at once.",
    )
    max_streams: Annotated[int, BeforeValidator(not_a_boolean)] = Field(
        default=30_000, ge=1, le=1_000_000, description="Streams that one identity may have open."
    )
    advertised_address: str = Field(
        default="",
        pattern=r"^$|^\S+:\d{1,5}$",
        description="Where others reach this authority, as host:port. Empty: where it listens.",
    )
    lease_ttl_s: Annotated[Seconds, Field(ge=1)] = Field(
        default=5.0, description="Time after which another replica leads when the leader is silent."
    )
    evaluation_period_s: Annotated[Seconds, Field(ge=1)] = Field(
        default=1800.0, description="Time between scheduled evaluations."
    )
    heartbeat_s: Annotated[float, BeforeValidator(not_a_boolean)] = Field(
        default=5.0,
        ge=1,
        le=30,
        allow_inf_nan=False,
        description="Longest silence on a watch, before jitter.",
    )
    max_watchers: Annotated[int, BeforeValidator(not_a_boolean)] = Field(
        default=10_000, ge=1, le=1_000_000, description="Watches open at once."
    )
    drain_s: Annotated[float, BeforeValidator(not_a_boolean)] = Field(
        default=1.0, ge=0, le=1.4, allow_inf_nan=False, description="Time that watches get to end at a stop."
    )
    # Not in the representation: such an address is a secret as a whole.
    alert_urls: Annotated[tuple[str, ...], BeforeValidator(as_urls)] = Field(
        default=(), repr=False, description="Where alerts are sent: webhooks (https://) and addresses of Apprise."
    )
    alert_min_severity: Literal["warning", "critical"] = Field(
        default="warning", description="Least severe alert that is sent."
    )
    auto_migrate: bool | None = Field(
        default=None,
        description="Migrate an older database at the start. Unset: SQLite yes, PostgreSQL by msc migrate.",
    )
    keep_executions_days: KeptDays = Field(default=400, description="Days to keep execution reports. 0: for ever.")
    keep_evaluations_days: KeptDays = Field(
        default=400, description="Days to keep evaluations that published nothing. 0: for ever."
    )
    # For ever, unless somebody says otherwise: what is left alone can be folded anew after any change of the numbers.
    keep_trades_days: EvidenceDays = Field(default=0, description="Days to keep closed trades. 0: for ever.")
    keep_equity_days: EvidenceDays = Field(default=0, description="Days to keep readings of the account. 0: for ever.")
    log_format: Literal["human", "json"] = Field(default="human", description="How log lines look.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Least severe log line shown."
    )
    decision: Annotated[InstanceOf[DecisionConfig], BeforeValidator(as_decision)] = Field(
        default_factory=DecisionConfig, description="The numbers of the decision model."
    )

    @field_validator("home", mode="before")
    @classmethod
    def _path(cls, home: object) -> object:
        # A question mark would end the path inside the database's URL.
        if not str(home).strip() or "?" in str(home):
            raise ValueError("must be the path of a folder, without a question mark")
        return home

    @field_validator("home")
    @classmethod
    def _expanded(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.database_url:
            object.__setattr__(self, "database_url", sqlite_url(self.home))
        check_database_url(self.database_url)
        self._check_tls()
        for key, host in (("grpc_host", self.grpc_host), ("http_host", self.http_host)):
            if not self.tls and not self.allow_plaintext_remote and not is_loopback(host):
                raise ValueError(
                    f"{key}: {host} can be reached from other machines, and this server speaks plaintext; "
                    "set tls_certificate and tls_key, use 127.0.0.1, or set allow_plaintext_remote = true if the "
                    "network is yours alone"
                )
        return self

    def _check_tls(self) -> None:
        if (self.tls_certificate is None) is not (self.tls_key is None):
            missing = "tls_certificate" if self.tls_certificate is None else "tls_key"
            raise ValueError(f"{missing}: is missing; tls_certificate and tls_key go together")
        if self.tls_client_ca is not None and not self.tls:
            raise ValueError("tls_client_ca: clients can show certificates only where tls_certificate is set")
        if self.certificates and self.tls_client_ca is None:
            raise ValueError("certificates: no client shows a certificate unless tls_client_ca is set")

    @property
    def tls(self) -> bool:
        """Whether this server speaks TLS."""
        return self.tls_certificate is not None

    @property
    def http_names(self) -> tuple[str, ...]:
        """Further names under which browsers reach the HTTP server."""
        public = urlsplit(self.public_url).hostname
        return (*self.http_allowed_hosts, public) if public else self.http_allowed_hosts

    @property
    def target(self) -> str:
        """Where a client on this machine reaches the gRPC server, as host:port."""
        host = f"[{self.grpc_host}]" if ":" in self.grpc_host else self.grpc_host
        return f"{host}:{self.grpc_port}"

    def notices(self) -> tuple[str, ...]:
        """Sentences about values that have no effect in this version, and about those that open doors."""
        said = []
        if "redis_key_prefix" in self.model_fields_set and self.redis_url is None:
            said.append("redis_key_prefix is set, but redis_url is not: there is no Redis to keep keys in")
        hosts = (self.grpc_host, self.http_host) if self.serve_http else (self.grpc_host,)
        reachable = not all(map(is_loopback, hosts))
        if reachable and not self.tls:
            said.append("allow_plaintext_remote is set: whoever is on the network can read all of it, tokens included")
        if reachable and self.allow_anonymous_remote:
            said.append(f"allow_anonymous_remote is set: whoever reaches this server is a {self.remote_role}")
        if self.serve_http and self.http_names and self.loopback_role != "none":
            names = " and ".join(key for key in ("http_allowed_hosts", "public_url") if getattr(self, key))
            role, verb = self.loopback_role, "are" if self.http_allowed_hosts and self.public_url else "is"
            said.append(
                f'{names} {verb} set, and callers from this machine need no token (loopback_role = "{role}"): whoever '
                "a reverse proxy on this machine forwards without a header that says so, such as X-Forwarded-For, "
                f'comes in as {role}; set loopback_role = "none", or have the proxy add the header'
            )
        return tuple(said)

    def for_demo(self) -> Settings:
        """The same settings on the subfolder `demo` of home, with a database of its own. Nothing leaves the demo."""
        home = self.home / "demo"
        own = {"home": home, "database_url": sqlite_url(home), "redis_url": None, "alert_urls": (), "public_url": ""}
        return self.model_copy(update=own)


def sqlite_url(home: Path, name: str = DATABASE_FILE_NAME) -> str:
    """URL of a database in a home folder."""
    return f"sqlite:///{home / name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings and where each value came from: "default", the file's path, the variable's or the flag's name."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)


def load(
    *,
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Settings from all layers, later ones first: flags, environment, file, defaults. A flag that is None is absent.

    Raises:
        ConfigurationError: A key is unknown, a value is out of range, or the file cannot be read.
    """
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    env = from_environment(os.environ if environ is None else environ, Settings.model_fields)
    path, table = _from_file(config, given.get("home", env.get("home")))
    layers = (
        (table, lambda _: str(path)),
        (env, lambda key: variable_of(key, os.environ if environ is None else environ)),
        (given, lambda key: "--" + key.replace("_", "-")),
    )
    merged: dict[str, object] = {}
    origins: dict[str, str] = {}
    for values, origin in layers:
        merged.update(values)
        origins.update({key: origin(key) for key in values})
    return Loaded(settings=_validated(merged, origins), origins=_flat_origins(origins, table))


def _from_file(config: Path | None, home: object) -> tuple[Path, dict[str, object]]:
    path = config or (Path(str(home)).expanduser() if home else default_home()) / CONFIG_FILE_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if config is None:
            return path, {}
        raise ConfigurationError(f"{path}: no such file; check --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    if config is None and "home" in table:
        raise ConfigurationError(f"{path}: home cannot be set in the file found through it; use MSC_HOME or --home")
    return path, table


def _validated(merged: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(dict(merged))
    except ValidationError as error:
        raise ConfigurationError(*_problems(error, origins)) from error


def _problems(error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    problems = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, Settings.model_fields, n=2, cutoff=0.6)
            text = f"unknown key; did you mean {' or '.join(near)}?" if near else "unknown key; remove it"
        where = f" (from {origins[key]})" if key in origins else ""
        named = not key or text.startswith(f"{key}.")
        problems.append(f"{text}{where}" if named else f"{key}{where}: {text}")
    return problems


def _flat_origins(origins: Mapping[str, str], table: Mapping[str, object]) -> dict[str, str]:
    flat = {key: origin for key, origin in origins.items() if key != "decision"}
    decision = table.get("decision")
    if isinstance(decision, Mapping):
        flat.update({key: origins["decision"] for key, _ in flatten_table(decision, "decision")})
    return flat
