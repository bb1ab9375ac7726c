"""The only room that knows grpc and the generated messages."""
