"""Who calls over gRPC, and what it takes to call."""
