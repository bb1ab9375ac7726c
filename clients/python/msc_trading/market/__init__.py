"""Prices: candles from files, and made-up ones."""
