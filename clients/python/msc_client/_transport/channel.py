"""The channel: where it leads, and exactly how it behaves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import grpc

from msc_client._clock import shuffled
from msc_client._credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("msc_client")

_PLAIN_TOKEN = {"msc_event": "plain_token"}
_POLICY_SERVICE = "msc_policy.v1.PolicyAuthority"
_UNARY_METHODS = (
    "GetPolicy",
    "Evaluate",
    "ListPolicyRevisions",
    "ListEvaluations",
    "ListStrategies",
    "GetSystemHealth",
    "ReportClientStatus",
    "ListClients",
)

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": _POLICY_SERVICE},
    "methodConfig": [
        {
            # WatchPolicy is not among them: a retry would not cover it after its first message, nor a clean end.
            "name": [{"service": _POLICY_SERVICE, "method": method} for method in _UNARY_METHODS],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

# The names are the ones that grpc core reads; it ignores misspelt ones without a word.
_NUMBERS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # keepalive_timeout does not close a connection to a frozen process; this does.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Without the probe the receive window stays small, and a reader that lags is felt by the server early.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


def channel_options() -> list[tuple[str, int | str]]:
    """Returns every option of a channel: the numbers, and the service config as text."""
    # Nothing else of an import needs it.
    import json

    return [*_NUMBERS, ("grpc.service_config", json.dumps(SERVICE_CONFIG))]


def open_channel(target: str, credentials: Credentials) -> grpc.Channel:
    """Returns a channel to the target; it connects when it is used.

    May look names up, so it is no call for a thread that must not wait.

    Raises:
        OSError: a certificate file cannot be read, or is empty.
    """
    address, tls = spread(channel_target(target)), credentials.tls
    if tls is None:
        if credentials.has_token and not _stays_here(target):
            _log.warning("the token travels unencrypted to %s: set tls or MSC_TLS_CA", target, extra=_PLAIN_TOKEN)
        return grpc.insecure_channel(address, options=channel_options())
    ssl = grpc.ssl_channel_credentials(
        root_certificates=_certificate(tls.root_certificates),
        private_key=None if tls.private_key is None else _certificate(tls.private_key),
        certificate_chain=None if tls.certificate_chain is None else _certificate(tls.certificate_chain),
    )
    expected = tls.server_name or _name_for_list(target, address)
    name = [("grpc.ssl_target_name_override", expected)] if expected else []
    return grpc.secure_channel(address, ssl, options=[*channel_options(), *name])


def _name_for_list(target: str, address: str) -> str:
    """The name that the certificate of every replica in a list has to have; empty for a target that names itself.

    Without it, grpc takes a list for "localhost", and would let in whoever has a certificate for that.
    """
    if not address.startswith(("ipv4:", "ipv6:")):
        return ""
    first = target.split(",", maxsplit=1)[0].strip().removeprefix("ipv4:").removeprefix("ipv6:")
    return first.rpartition(":")[0].strip("[]")


def _stays_here(target: str) -> bool:
    import ipaddress

    for part in target.split(","):
        host = part.strip().rpartition("/")[2].rpartition(":")[0].strip("[]")
        try:
            if not ipaddress.ip_address(host).is_loopback:
                return False
        except ValueError:
            if host != "localhost" and not part.strip().startswith("unix:"):
                return False
    return True


def _certificate(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.strip():
        # A file that is being replaced is empty for a moment, and gRPC ends the whole process over an empty key.
        raise OSError(f"{path}: is empty")
    return content


def channel_target(target: str) -> str:
    """Returns the target in grpc's words. Several `host:port`, separated by commas, become one list of addresses.

    Names in a list are looked up here, once; `dns:///name:port` is looked up again whenever the connection is lost.
    """
    parts = [part.strip() for part in target.split(",") if part.strip()]
    if len(parts) == 1 or "://" in target or target.startswith(("ipv4:", "ipv6:", "unix:", "dns:")):
        return target.strip()
    addresses = [address for part in parts for address in _addresses(part)]
    for family in ("ipv4", "ipv6"):
        found = [address for kind, address in addresses if kind == family]
        if found:
            return f"{family}:{','.join(dict.fromkeys(found))}"
    return f"dns:///{parts[0]}"


def spread(address: str) -> str:
    """Returns a list of addresses in an order of this process's own, anything else as it is.

    The first stream goes to the replica that is connected first, which mostly is the first one of the list.
    """
    family, colon, listed = address.partition(":")
    if family not in ("ipv4", "ipv6") or "," not in listed:
        return address
    return f"{family}{colon}{','.join(shuffled(listed.split(',')))}"


def _addresses(part: str) -> list[tuple[str, str]]:
    import socket

    host, _, port = part.rpartition(":")
    try:
        return [_address(host.strip("[]"), port)]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        _log.warning("target %s cannot be looked up: %s", part, error, extra={"msc_event": "lookup_failed"})
        return []
    return [_address(str(entry[4][0]), port) for entry in found]


def _address(host: str, port: str) -> tuple[str, str]:
    import ipaddress

    if ipaddress.ip_address(host).version == 4:
        return "ipv4", f"{host}:{port}"
    return "ipv6", f"[{host}]:{port}"
