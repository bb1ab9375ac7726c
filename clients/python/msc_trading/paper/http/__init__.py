"""The exchange on the wire: REST, streams, limits, faults and the admin port."""
