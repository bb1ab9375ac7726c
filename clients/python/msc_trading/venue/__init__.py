"""The exchange: a narrow port, Binance USD-M Futures behind it, and the rules of its symbols."""
