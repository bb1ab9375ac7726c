"""Where an authority is, as people write it: one address, several of them, or a name that stands for several."""

from __future__ import annotations

import socket
from ipaddress import ip_address

SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:")


def problem_of(target: str) -> str:
    """Returns what is wrong with a target, nothing when it can be used."""
    if target.startswith(SCHEMES):
        return ""
    for part in target.split(","):
        host, colon, port = part.strip().rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
            return f"{part.strip()!r} is not HOST:PORT"
    return ""


def channel_target(target: str) -> str:
    """Returns a target in grpc's words. Several `host:port`, separated by commas, become one list of addresses.

    Names in a list are looked up here, once; those that cannot be are left out.
    """
    parts = [part.strip() for part in target.split(",")]
    if len(parts) == 1 or target.startswith(SCHEMES):
        return target
    found = [address for part in parts for address in _addresses(part)]
    family = found[0][0] if found else ""
    listed = [address for kind, address in found if kind == family]
    return f"{family}:{','.join(dict.fromkeys(listed))}" if listed else parts[0]


def name_for_list(target: str, address: str) -> str:
    """Returns the name that the certificate of each in a list has to have: the first host's; else nothing.

    grpc would take a list for "localhost", and let in whoever has a certificate for that.
    """
    if not address.startswith(("ipv4:", "ipv6:")):
        return ""
    first = target.split(",", maxsplit=1)[0].strip().removeprefix("ipv4:").removeprefix("ipv6:")
    return first.rpartition(":")[0].strip("[]")


def _addresses(part: str) -> list[tuple[str, str]]:
    host, _, port = part.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [_address(str(entry[4][0]), port) for entry in found]


def _address(host: str, port: str) -> tuple[str, str]:
    return ("ipv4", f"{host}:{port}") if ip_address(host).version == 4 else ("ipv6", f"[{host}]:{port}")
