"""The only place that maps protobuf to the client's types."""
