"""Channel options of the server. Several popular spellings are silently ignored by gRPC; these are read by it."""

MAX_MESSAGE_BYTES = 1024 * 1024

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    # Without it a second server binds the same port too, and each gets half of the clients.
    ("grpc.so_reuseport", 0),
    # The defaults refuse about a quarter of 5,000 clients that join at once.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # This one, and not the keepalive timeout, closes the connection of a frozen peer.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Above the age at which a watch says goodbye by itself.
    ("grpc.max_connection_age_ms", 2_100_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Whoever connects and then says nothing, or says it byte by byte, is gone after so long.
    ("grpc.server_handshake_timeout_ms", 10_000),
)
