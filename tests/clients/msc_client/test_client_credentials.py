"""What a client shows of itself: where it comes from, that it is read again, and that nobody sees the secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msc_client import ClientConfig, TlsFiles
from msc_client._credentials import Credentials, credentials_of

SECRET = "msc_0123456789ab_a-secret"


def test_without_anything_nothing_is_shown() -> None:
    nothing = credentials_of(environment={})

    assert (nothing.tls, nothing.metadata(), nothing.has_token, nothing.stamps()) == (None, (), False, ())


def test_a_token_goes_with_each_call_as_bearer() -> None:
    assert credentials_of(token=SECRET, environment={}).metadata() == (("authorization", f"Bearer {SECRET}"),)


def test_the_file_of_a_token_is_read_again_for_each_call(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    shown = credentials_of(token_file=file, environment={})
    first, before = shown.metadata(), shown.stamps()

    file.write_text("msc_0123456789ab_another-one\n")
    os.utime(file, ns=(1, 1))

    assert first == (("authorization", f"Bearer {SECRET}"),)
    assert shown.metadata() == (("authorization", "Bearer msc_0123456789ab_another-one"),)
    assert shown.stamps() != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two words", "holds no token"),
        (b"\xff\xfe", "holds no token"),
    ],
)
def test_a_file_that_holds_no_token_is_named_and_not_repeated(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(OSError, match=said) as caught:
        credentials_of(token_file=file, environment={}).metadata()

    assert str(file) in str(caught.value)
    assert "words" not in str(caught.value)


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "token"
    shown = credentials_of(token_file=file, environment={})
    before = shown.stamps()
    file.write_text(SECRET)

    assert shown.stamps() != before


def test_what_the_host_does_not_give_comes_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)
    environment = {
        "MSC_TOKEN_FILE": str(file),
        "MSC_TLS_CA": "/etc/msc/ca.pem",
        "MSC_TLS_CLIENT_CERTIFICATE": "/etc/msc/me.pem",
        "MSC_TLS_CLIENT_KEY": "/etc/msc/me-key.pem",
        "MSC_TLS_SERVER_NAME": "authority.example",
    }
    shown = credentials_of(environment=environment)

    assert shown.metadata() == (("authorization", f"Bearer {SECRET}"),)
    assert shown.tls == TlsFiles(
        root_certificates=Path("/etc/msc/ca.pem"),
        certificate_chain=Path("/etc/msc/me.pem"),
        private_key=Path("/etc/msc/me-key.pem"),
        server_name="authority.example",
    )


def test_what_the_host_gives_wins_over_the_environment(tmp_path: Path) -> None:
    environment = {"MSC_TOKEN": "of-the-environment", "MSC_TLS_CA": "/elsewhere/ca.pem"}
    tls = TlsFiles(root_certificates=tmp_path / "ca.pem")
    shown = credentials_of(tls=tls, token=SECRET, environment=environment)

    assert (shown.tls, shown.metadata()) == (tls, (("authorization", f"Bearer {SECRET}"),))


def test_two_tokens_are_a_contradiction() -> None:
    with pytest.raises(ValueError, match="token_file"):
        credentials_of(environment={"MSC_TOKEN": SECRET, "MSC_TOKEN_FILE": "/run/token"})
    with pytest.raises(ValueError, match="token_file"):
        ClientConfig(token=SECRET, token_file=Path("/run/token"))


def test_half_a_pair_of_certificate_and_key_is_refused() -> None:
    with pytest.raises(ValueError, match="private_key"):
        credentials_of(environment={"MSC_TLS_CA": "/ca.pem", "MSC_TLS_CLIENT_CERTIFICATE": "/me.pem"})


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ümlaut", 5, None, b"bytes"])
def test_what_cannot_be_a_token_is_refused_without_being_repeated(token: object) -> None:
    with pytest.raises(ValueError, match=r"^token: ") as caught:
        ClientConfig(token=token)  # type: ignore[arg-type]  # that is what is refused

    assert str(token) not in str(caught.value)


def test_no_representation_holds_the_secret(tmp_path: Path) -> None:
    assert SECRET not in repr(ClientConfig(token=SECRET))
    assert SECRET not in repr(Credentials(token=SECRET))
    assert str(tmp_path / "token") in repr(Credentials(token_file=tmp_path / "token"))
