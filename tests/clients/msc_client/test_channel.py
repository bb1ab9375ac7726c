"""Where a channel leads, what it is made with, and which certificates it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msc_client_harness import QUICK, until

from msc_client import ConnectionState, PolicySource, Role, TlsFiles
from msc_client._credentials import Credentials
from msc_client._transport.channel import SERVICE_CONFIG, channel_options, channel_target, open_channel, spread


def test_the_channel_options_are_exactly_those_of_the_contract() -> None:
    options = dict(channel_options())
    assert json.loads(str(options.pop("grpc.service_config"))) == SERVICE_CONFIG
    assert options == {
        "grpc.keepalive_time_ms": 30000,
        "grpc.keepalive_timeout_ms": 10000,
        "grpc.http2.ping_timeout_ms": 10000,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.http2.bdp_probe": 0,
        "grpc.initial_reconnect_backoff_ms": 250,
        "grpc.min_reconnect_backoff_ms": 3000,
        "grpc.max_reconnect_backoff_ms": 2000,
        "grpc.max_receive_message_length": 1048576,
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_http_proxy": 0,
    }


def test_the_service_config_retries_unary_calls_only_and_watches_health() -> None:
    text = json.dumps(SERVICE_CONFIG)
    assert "WatchPolicy" not in text
    assert "round_robin" in text
    assert '"serviceName": "msc_policy.v1.PolicyAuthority"' in text


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("127.0.0.1:7443", "127.0.0.1:7443"),
        ("authority:7443", "authority:7443"),
        ("dns:///authority:7443", "dns:///authority:7443"),
        ("127.0.0.1:1, 127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("localhost:1,127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
    ],
)
def test_targets_become_addresses(target: str, address: str) -> None:
    assert channel_target(target) == address


def test_each_process_has_the_addresses_of_a_list_in_an_order_of_its_own() -> None:
    listed = [f"10.0.0.{n}:7443" for n in range(8)]
    orders = {spread(f"ipv4:{','.join(listed)}") for _ in range(50)}
    assert len(orders) > 1
    assert all(sorted(order.removeprefix("ipv4:").split(",")) == listed for order in orders)


@pytest.mark.parametrize("address", ["ipv4:10.0.0.1:7443", "dns:///a,b", "one:7443", "unix:/srv/a,b"])
def test_what_is_no_list_of_addresses_stays_as_it_is(address: str) -> None:
    assert spread(address) == address


# Certificates


def test_certificates_that_cannot_be_read_deny_and_do_not_raise(tmp_path: Path) -> None:
    config = replace(QUICK, tls=TlsFiles(root_certificates=tmp_path / "missing.pem"))
    source = PolicySource("127.0.0.1:1", role=Role.OTHER, name="tls", config=config, state_dir=None)
    source.start(0)
    until(lambda: "missing.pem" in source.status().last_error)
    until(lambda: source.status().connection is ConnectionState.DENIED)
    source.close()


@pytest.mark.parametrize("missing", ["certificate_chain", "private_key"])
def test_half_a_pair_of_certificates_is_refused_before_it_can_end_the_process(tmp_path: Path, missing: str) -> None:
    files = {"certificate_chain": tmp_path / "chain.pem", "private_key": tmp_path / "key.pem"}
    del files[missing]
    with pytest.raises(ValueError, match=f"tls.{missing}"):
        TlsFiles(
            root_certificates=tmp_path / "root.pem",
            certificate_chain=files.get("certificate_chain"),
            private_key=files.get("private_key"),
        )


@pytest.mark.parametrize("empty", ["root.pem", "chain.pem", "key.pem"])
def test_a_certificate_file_that_is_being_replaced_is_a_refusal_and_not_the_end_of_the_process(
    tmp_path: Path, empty: str
) -> None:
    for name in ("root.pem", "chain.pem", "key.pem"):
        (tmp_path / name).write_text("" if name == empty else "not empty")
    tls = TlsFiles(
        root_certificates=tmp_path / "root.pem",
        certificate_chain=tmp_path / "chain.pem",
        private_key=tmp_path / "key.pem",
    )
    with pytest.raises(OSError, match=f"{empty}: is empty"):
        open_channel("127.0.0.1:1", Credentials(tls=tls))
