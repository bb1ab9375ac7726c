"""Messages as the venue's streams send them."""

from __future__ import annotations

from scripted_exchange import START_MS


def order_report(**changes: object) -> dict[str, object]:
    report: dict[str, object] = {
        "s": "BTCUSDT", "c": "id-1", "S": "BUY", "o": "MARKET", "f": "GTC", "q": "0.010", "p": "0", "ap": "50000.1",
        "sp": "0", "x": "TRADE", "X": "FILLED", "i": 77, "l": "0.010", "z": "0.010", "L": "50000.1", "N": "USDT",
        "n": "0.2", "T": START_MS, "t": 698759, "b": "0", "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE",
        "ot": "MARKET", "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "NONE",
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": START_MS, "T": START_MS, "o": report | changes}


def account_update(*positions: dict[str, object], balances: list[dict[str, object]] | None = None) -> dict[str, object]:
    told = [{"a": "USDT", "wb": "1000.5", "cw": "1000.5", "bc": "0"}] if balances is None else balances
    return {"e": "ACCOUNT_UPDATE", "E": START_MS, "T": START_MS, "a": {"m": "ORDER", "B": told, "P": list(positions)}}


def position(**changes: object) -> dict[str, object]:
    return {"s": "BTCUSDT", "pa": "0.010", "ep": "50000.1", "cr": "0", "up": "0", "mt": "cross", "ps": "BOTH"} | changes


def stop_update(status: str) -> dict[str, object]:
    return {"e": "ALGO_UPDATE", "E": START_MS, "T": START_MS, "o": {"caid": "stop-1", "s": "BTCUSDT", "X": status}}


def kline(minute: int, *, closed: bool = True, symbol: str = "BTCUSDT", close: str = "1.2") -> dict[str, object]:
    opened = START_MS + minute * 60_000
    bar = {
        "t": opened, "T": opened + 59_999, "s": symbol, "i": "1m", "o": "1.1", "c": close, "h": "1.3", "l": "1.0",
        "v": "7.5", "n": 3, "x": closed,
    }  # fmt: skip
    return {"stream": f"{symbol.lower()}@kline_1m", "data": {"e": "kline", "E": opened, "s": symbol, "k": bar}}


def kline_row(minute: int, close: str = "1.2") -> list[object]:
    opened = START_MS + minute * 60_000
    return [opened, "1.1", "1.3", "1.0", close, "7.5", opened + 59_999, "9", 3, "4", "5", "0"]


def trade(price: str, *, symbol: str = "BTCUSDT", at_ms: int = START_MS) -> dict[str, object]:
    data = {
        "e": "aggTrade",
        "E": at_ms,
        "a": 1,
        "s": symbol,
        "p": price,
        "q": "1",
        "f": 1,
        "l": 1,
        "T": at_ms,
        "m": False,
    }
    return {"stream": f"{symbol.lower()}@aggTrade", "data": data}
