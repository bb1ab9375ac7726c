"""The Meta Strategy Controller's authority: decides, stores and serves one trading policy."""
