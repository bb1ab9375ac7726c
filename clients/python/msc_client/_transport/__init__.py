"""The only place that speaks gRPC."""
