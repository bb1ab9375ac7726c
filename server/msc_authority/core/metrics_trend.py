"""A trend that outliers do not move: the Theil–Sen slope with its confidence interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

# 97.5 % point of the standard normal distribution: two-sided 95 %.
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A slope per unit of x, and its 95 % confidence interval."""

    slope: float
    low: float
    high: float


def theil_sen(xs: Sequence[float], ys: Sequence[float]) -> Trend | None:
    """Returns the median of the slopes of all pairs, or None where no two x differ.

    The interval picks the slopes whose ranks bound Kendall's statistic. P. K. Sen, "Estimates of the regression
    coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63 (1968), section 2; ties as in its equation 2.6.
    """
    points = list(zip(xs, ys, strict=True))
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0])
    if not slopes:
        return None
    spread = Z_95 * math.sqrt(_kendall_variance(xs, ys))
    last = len(slopes) - 1
    low = max(round((len(slopes) - spread) / 2.0) - 1, 0)
    high = min(round((len(slopes) + spread) / 2.0), last)
    return Trend(slope=median(slopes), low=slopes[min(low, last)], high=slopes[max(high, 0)])


def _kendall_variance(xs: Sequence[float], ys: Sequence[float]) -> float:
    ties = [count for values in (xs, ys) for count in Counter(values).values()]
    variance = _tie_term(len(xs)) - sum(map(_tie_term, ties))
    return max(variance, 0) / 18.0


def _tie_term(count: int) -> int:
    # 0 for a value that occurs once.
    return count * (count - 1) * (2 * count + 5)
