"""Refusals, with the codes and words of the venue."""

from __future__ import annotations

from dataclasses import dataclass

BAD_REQUEST = 400
UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Reason:
    """A refusal: code, text with places for details, HTTP status."""

    code: int
    text: str
    status: int = BAD_REQUEST


class Rejected(Exception):
    """The exchange refuses. `code` and `message` are the venue's."""

    def __init__(self, reason: Reason, /, **details: object) -> None:
        """Takes the reason, and what belongs into its text."""
        self.code = reason.code
        self.message = reason.text.format(**details)
        self.status = reason.status
        super().__init__(f"{self.code}: {self.message}")


TOO_MANY_ORDERS = Reason(
    -1015, "Too many new orders; current limit is {limit} orders per {interval}.", TOO_MANY_REQUESTS
)
UNSUPPORTED = Reason(-1020, "This operation is not supported.")
BAD_TIMESTAMP_EARLY = Reason(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
BAD_TIMESTAMP_LATE = Reason(-1021, "Timestamp for this request is outside of the recvWindow.")
BAD_SIGNATURE = Reason(-1022, "Signature for this request is not valid.")
START_AFTER_END = Reason(-1023, "Start time is greater than end time.")
ILLEGAL_CHARACTERS = Reason(-1100, "Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
MISSING_PARAMETER = Reason(-1102, "Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
NOT_REQUIRED = Reason(-1106, "Parameter '{name}' sent when not required.")
BAD_PRECISION = Reason(-1111, "Precision is over the maximum defined for this asset.")
BAD_TIME_IN_FORCE = Reason(-1115, "Invalid timeInForce.")
BAD_TYPE = Reason(-1116, "Invalid orderType.")
BAD_SIDE = Reason(-1117, "Invalid side.")
BAD_INTERVAL = Reason(-1120, "Invalid interval.")
BAD_SYMBOL = Reason(-1121, "Invalid symbol.")
NO_LISTEN_KEY = Reason(-1125, "This listenKey does not exist.")
INTERVAL_TOO_BIG = Reason(
    -1127, "Lookup interval is too big. No more than {hours} hours between startTime and endTime."
)
BAD_COMBINATION = Reason(-1128, "Combination of optional parameters invalid.")
BAD_RECV_WINDOW = Reason(-1131, "recvWindow must be less than 60000")
BAD_PARAMETER = Reason(-1130, "Data sent for parameter '{name}' is not valid.")
UNKNOWN_ORDER_ON_CANCEL = Reason(-2011, "Unknown order sent.")
NO_SUCH_ORDER = Reason(-2013, "Order does not exist.")
BAD_KEY_FORMAT = Reason(-2014, "API-key format invalid.", UNAUTHORIZED)
REJECTED_KEY = Reason(-2015, "Invalid API-key, IP, or permissions for action.", UNAUTHORIZED)
MARGIN_INSUFFICIENT = Reason(-2019, "Margin is insufficient.")
WOULD_TRIGGER = Reason(-2021, "Order would immediately trigger.")
REDUCE_ONLY_REJECTED = Reason(-2022, "ReduceOnly Order is rejected.")
MAX_ORDERS = Reason(-2025, "Reach max open order limit.")
MAX_POSITION_AT_LEVERAGE = Reason(-2027, "Exceeded the maximum allowable position at current leverage.")
LEVERAGE_TOO_SMALL = Reason(-2028, "Leverage is smaller than permitted: insufficient margin balance.")
QUANTITY_TOO_SMALL = Reason(-4003, "Quantity less than or equal to zero.")
QUANTITY_BELOW_MIN = Reason(-4004, "Quantity less than min quantity.")
QUANTITY_ABOVE_MAX = Reason(-4005, "Quantity greater than max quantity.")
PRICE_NOT_POSITIVE = Reason(-4001, "Price less than 0.")
PRICE_ABOVE_MAX = Reason(-4002, "Price greater than max price.")
PRICE_BELOW_MIN = Reason(-4013, "Price less than min price.")
PRICE_OFF_TICK = Reason(-4014, "Price not increased by tick size.")
BAD_CLIENT_ID = Reason(-4015, "Client order id length should be less than 36 chars")
PRICE_TOO_HIGH = Reason(-4016, "Limit price can't be higher than {limit}.")
QUANTITY_OFF_STEP = Reason(-4023, "Quantity not increased by step size.")
PRICE_TOO_LOW = Reason(-4024, "Limit price can't be lower than {limit}.")
BAD_LEVERAGE = Reason(-4028, "Leverage {leverage} is not valid")
MAX_ALGO_ORDERS = Reason(-4045, "Reach max stop order limit.")
SAME_MARGIN_TYPE = Reason(-4046, "No need to change margin type.")
SAME_POSITION_MODE = Reason(-4059, "No need to change position side.")
POSITION_SIDE_MISMATCH = Reason(-4061, "Order's position side does not match user's setting.")
OPEN_ORDERS_KEEP_MODE = Reason(-4067, "Position side cannot be changed if there exists open orders.")
POSITION_KEEPS_MODE = Reason(-4068, "Position side cannot be changed if there exists position.")
DUPLICATE_ID = Reason(-4116, "ClientOrderId is duplicated.")
USE_ALGO_ENDPOINT = Reason(
    -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
STOP_EXISTS = Reason(
    -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."
)
WRONG_CLOSE_POSITION = Reason(-4136, "Target strategy invalid for orderType {order_type}, closePosition {close}.")
MIN_NOTIONAL = Reason(-4164, "Order's notional must be no smaller than {minimum} (unless you choose reduce only).")
FOK_REJECTED = Reason(
    -5021,
    "Due to the order could not be filled immediately, the FOK order has been rejected."
    " The order will not be recorded in the order history",
)
GTX_REJECTED = Reason(
    -5022,
    "Due to the order could not be executed as maker, the Post Only order will be rejected."
    " The order will not be recorded in the order history",
)
AMEND_WITHOUT_CHANGE = Reason(-5027, "No need to modify the order.")
