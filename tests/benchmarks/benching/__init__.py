"""What benchmarks share: interleaved rounds, ratios, reports, and processes that serve and load."""
