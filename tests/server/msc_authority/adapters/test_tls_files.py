"""Certificates in files: read again when they change, and never replaced by what cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from msc_certificates import Issuer, ServerFiles

from msc_authority.adapters.tls_files import TlsFiles, TlsUnusable


@pytest.fixture
def made(tmp_path: Path) -> ServerFiles:
    return ServerFiles(tmp_path, mutual=True)


def files_of(made: ServerFiles) -> TlsFiles:
    return TlsFiles(certificate=made.certificate, key=made.key, client_ca=made.ca)


def test_what_stands_in_the_files_is_what_is_shown(made: ServerFiles) -> None:
    material = files_of(made).material

    assert material.chain == made.certificate.read_bytes()
    assert material.key == made.key.read_bytes()
    assert material.client_ca == made.ca.read_bytes()
    assert "PRIVATE" not in repr(material)


def test_without_a_change_the_material_stays_the_same_object(made: ServerFiles) -> None:
    files = files_of(made)
    before = files.material
    files.refresh()

    assert files.material is before
    assert files.renewed == 0


def test_renewed_certificates_are_taken(made: ServerFiles, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = files_of(made)
    made.renew(Issuer("Another"))
    files.refresh()
    files.refresh()

    assert files.material.chain == made.certificate.read_bytes()
    assert files.renewed == 1
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_renewed_ca_of_clients_is_taken(made: ServerFiles) -> None:
    files = files_of(made)
    made.ca.write_bytes(Issuer("Another").pem)
    files.refresh()

    assert files.material.client_ca == made.ca.read_bytes()


BREAK: dict[str, Callable[[ServerFiles], object]] = {
    "empty key": lambda made: made.key.write_bytes(b""),
    "no key": lambda made: made.key.unlink(),
    "foreign key": lambda made: made.key.write_bytes(Issuer().server().key),
    "torn certificate": lambda made: made.certificate.write_bytes(made.certificate.read_bytes()[:200]),
    "text for a certificate": lambda made: made.certificate.write_bytes(b"tomorrow"),
    "empty ca": lambda made: made.ca.write_bytes(b""),
    "text for a ca": lambda made: made.ca.write_bytes(b"tomorrow"),
}


@pytest.mark.parametrize("how", BREAK)
def test_what_cannot_be_used_leaves_the_old_and_is_said_once(
    made: ServerFiles, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    files = files_of(made)
    before, good = files.material, made.key.read_bytes()
    BREAK[how](made)
    for _ in range(3):
        files.refresh()

    assert files.material is before
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert str(made.folder) in line
    assert good.decode() not in caplog.text


@pytest.mark.parametrize("how", BREAK)
def test_what_cannot_be_used_at_the_start_stops_it(made: ServerFiles, how: str) -> None:
    BREAK[how](made)

    with pytest.raises(TlsUnusable, match=str(made.folder)):
        files_of(made)


def test_repaired_files_are_taken_and_the_next_trouble_is_said_again(
    made: ServerFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    files = files_of(made)
    good = made.key.read_bytes()
    made.key.write_bytes(b"")
    files.refresh()
    made.key.write_bytes(good)
    files.refresh()
    made.key.write_bytes(b"")
    files.refresh()

    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]


def test_a_key_that_needs_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    made = ServerFiles(tmp_path)
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )

    with pytest.raises(TlsUnusable):
        TlsFiles(certificate=made.certificate, key=made.key, client_ca=None)
