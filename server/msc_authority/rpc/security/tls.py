"""Certificates for the gRPC server, as they are at each handshake."""

from __future__ import annotations

import grpc

from msc_authority.ports.tls import TlsMaterial, TlsSource


def server_credentials(source: TlsSource) -> grpc.ServerCredentials:
    """Returns credentials that ask `source` at each handshake: new certificates serve new connections."""
    return _Handshakes(source).credentials()


class _Handshakes:
    def __init__(self, source: TlsSource) -> None:
        self._source = source
        self._given = source.material

    def credentials(self) -> grpc.ServerCredentials:
        asks_clients = self._given.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._given),
            self._fetch,  # type: ignore[arg-type]  # None means "as before", which the stubs do not know
            require_client_authentication=asks_clients,
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        # Called on gRPC's own threads. None: as before.
        material = self._source.material
        if material is self._given:
            return None
        self._given = material
        return _configuration(material)


def _configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.chain)], root_certificates=material.client_ca
    )
