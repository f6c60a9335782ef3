"""A comparison in words: how large the difference is, and whether it is more than noise."""

import math

from npr_jax.analysis.statistics.paired_tests import PairedTest

LEVEL = 0.05


def beyond_noise(low: float, high: float, p_value: float) -> bool:
    """Whether a difference counts: its interval leaves out zero and its p is below the level.

    Where the two disagree, or the interval is unknown (nan), it does not.
    """
    return p_value < LEVEL and (low > 0 or high < 0)


def sentence(
    what: str,
    a: str,
    b: str,
    mean_a: float,
    mean_b: float,
    interval: tuple[float, float],
    test: PairedTest,
    *,
    adjusted_p: float | None = None,
) -> str:
    """One comparison as a sentence.

    Args:
        what: the measure and what it is of, such as "AP, mean over 7 generators and 5 seeds".
        a, b: names of the two systems.
        mean_a, mean_b: the measure of each, a share in [0, 1]; told in percent.
        interval: 95 % interval of a - b; nan where there is none.
        test: of the difference.
        adjusted_p: its p adjusted for other comparisons (``holm``), which then decides.

    It says "within noise" unless ``beyond_noise``, and where the test could not have rejected
    whatever the difference, that too.
    """
    low, high = interval
    gap = mean_a - mean_b
    decides = test.p_value if adjusted_p is None else adjusted_p
    if beyond_noise(low, high, decides):
        ahead = "ahead" if gap > 0 else "behind"
        verdict = f"{a} is {ahead} by {abs(100 * gap):.1f} points, more than noise"
    else:
        verdict = f"the difference of {points(gap)} points lies within noise"
        if beyond_noise(low, high, test.p_value):
            verdict += " once the other comparisons are allowed for"
    spread = f"95 % interval of the difference {points(low)} to {points(high)}"
    spread = "no interval known" if math.isnan(low) else spread
    never = f" This test cannot reach p < {LEVEL} with {test.n} pairs, whatever the difference."
    return (
        f"{what}: {a} {100 * mean_a:.1f} %, {b} {100 * mean_b:.1f} %; {verdict} ({spread}; "
        f"{format_test(test, adjusted_p)}).{'' if test.can_reject else never}"
    )


def format_test(test: PairedTest, adjusted_p: float | None = None) -> str:
    """Name, p, Holm's p, the smallest p the sample allows where there is one, and the effect."""
    parts = [f"{test.name}, n = {test.n}: {format_p(test.p_value)}"]
    if adjusted_p is not None:
        parts.append(f"Holm-adjusted {format_p(adjusted_p)}")
    if test.smallest_p >= 0.001:
        parts.append(f"smallest possible p = {test.smallest_p:.2g}")
    effect = f"{test.effect:.2f}".replace("-", "−")
    parts.append(f"{test.effect_name} {effect}")
    return ", ".join(parts)


def format_p(p_value: float) -> str:
    """p with two significant digits, more where these would round it to 0.05; or p < 0.001."""
    if p_value < 0.001:
        return "p < 0.001"
    digits = next((d for d in (2, 3) if (float(f"{p_value:.{d}g}") < 0.05) == (p_value < 0.05)), 4)
    return f"p = {p_value:.{digits}g}"


def count_of(number: int, noun: str) -> str:
    """A number of things: "1 seed", "5 seeds"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")
