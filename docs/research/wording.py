"""Numbers and verdicts in words; which words is decided by the numbers."""

from docs.research.comparisons import Comparison
from npr_jax.analysis.statistics.wording import LEVEL, format_p, points

CRITERION = 2.0  # points by which a system must be ahead to be worth its cost


def signed(value: float) -> str:
    """Points with their sign, one decimal: +3.2, −0.4, 0.0."""
    text = points(value / 100)
    return "0.0" if text in ("+0.0", "−0.0") else text


def interval(comparison: Comparison) -> str:
    """ "+3.2 points (95 % interval +0.4 to +6.0, p = 0.03)", p after Holm's correction."""
    return (
        f"{signed(comparison.gain)} points (95 % interval {signed(comparison.low)} to "
        f"{signed(comparison.high)}, {format_p(comparison.p_value)})"
    )


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """ "1 seed", "5 seeds", "no seed"."""
    if number == 0:
        return f"no {noun}"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def criterion(comparison: Comparison) -> str:
    """Whether a gain of ``CRITERION`` points is shown, excluded, or neither."""
    if comparison.low >= CRITERION:
        return "shown"
    return "excluded" if comparison.high < CRITERION else "neither shown nor excluded"


def outcome(comparison: Comparison) -> str:
    """ "ahead", "behind" or "within noise", after Holm's correction."""
    if not comparison.holds:
        return "within noise"
    return "ahead" if comparison.gain > 0 else "behind"


def power(seeds: int, generators: int) -> str:
    """What so few seeds and generators allow."""
    smallest = 2 * 0.5**seeds
    never = f", so never below {LEVEL:g}" if smallest >= LEVEL else ""
    return (
        f"With {counted(seeds, 'seed')} an exact sign or signed rank test cannot fall below "
        f"p = {smallest:.2g}{never}; over {counted(generators, 'generator')} it can reach "
        f"{2 * 0.5**generators:.2g}. What is decided is therefore decided by the paired t test "
        "over seeds, which assumes that differences are normal."
    )
