"""Curves over the size of a benchmark, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benching.run import Unavailable
from benching.statistics import summary
from benching.values import Outcome

FEWEST_SIZES = 2
LOG, LINEAR = "log", "linear"
LOG_FROM = 5.0
"""How many times the least the greatest must be, for steps to be multiples."""
INCHES = (8, 5)
DOTS_PER_INCH = 120


def plot(outcome: Outcome, path: Path) -> bool:
    """Draws a picture where there is a curve. Returns whether there was.

    Raises:
        Unavailable: matplotlib is not installed.
    """
    shown = {one.size for one in outcome.series if outcome.benchmark.is_plotted(one.contender)}
    if len(shown) < FEWEST_SIZES:
        return False
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Unavailable("no plots without matplotlib, which the extra `bench` installs") from None
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    for contender in filter(outcome.benchmark.is_plotted, dict.fromkeys(one.contender for one in outcome.series)):
        sizes, medians, below, above = _curve(outcome, contender)
        axes.errorbar(sizes, medians, yerr=(below, above), marker="o", capsize=3, label=contender)
    drawn = [one for one in outcome.series if outcome.benchmark.is_plotted(one.contender)]
    axes.set(
        xscale=_scale([one.size for one in drawn]),
        yscale=_scale([summary(one.values).median for one in drawn]),
        xlabel=f"{outcome.benchmark.size} (number)",
        ylabel=f"{outcome.benchmark.unit_of(drawn[0].contender)} (median, quartiles)",
    )
    axes.set_xticks(outcome.sizes, [f"{size:,}" for size in outcome.sizes])
    axes.minorticks_off()
    if axes.get_yscale() == LINEAR:
        axes.set_ylim(bottom=0)
    axes.set_title(outcome.benchmark.question, fontsize="medium", wrap=True)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
    return True


def _curve(outcome: Outcome, contender: str) -> tuple[Sequence[float], ...]:
    found = sorted((one for one in outcome.series if one.contender == contender), key=lambda one: one.size)
    taken = [summary(one.values) for one in found]
    return (
        [one.size for one in found],
        [one.median for one in taken],
        [one.median - one.low for one in taken],
        [one.high - one.median for one in taken],
    )


def _scale(values: Sequence[float]) -> str:
    """Returns on which scale values can be told apart."""
    return LOG if min(values) > 0 and max(values) >= LOG_FROM * min(values) else LINEAR
