"""The findings on attention weights as sentences, every number from the tests."""

from collections.abc import Mapping, Sequence

from npr_jax.analysis.attention.gates import Gate
from npr_jax.analysis.attention.weights import Findings
from npr_jax.analysis.statistics.permutation import PermutationTest
from npr_jax.analysis.statistics.wording import format_p

LEVEL = 0.05
CAVEAT = (
    "A weight says which branch is listened to, not where information is: at sizes divisible by 4 "
    "the residuals at 0.5 and 0.75 are linear functions of the one at 0.25."
)


def sentences(findings: Findings) -> list[str]:
    """What the weights say, one statement each; also that something could not be compared."""
    return [
        _dominant(findings),
        _generators(findings),
        _families(findings),
        *_correlations(findings),
        CAVEAT,
    ]


def gate_sentences(
    found: Sequence[Gate], tests: Mapping[tuple[str, str], PermutationTest]
) -> list[str]:
    """Weights against what is lost without a scale, one sentence per variant and scale."""
    said = []
    for key in dict.fromkeys((gate.variant, gate.scale) for gate in found):
        mine = [gate for gate in found if (gate.variant, gate.scale) == key]
        weight = sum(float(gate.weights.mean()) for gate in mine) / len(mine)
        loss = sum(float(gate.losses.mean()) for gate in mine) / len(mine)
        change = "lower" if loss >= 0 else "higher"
        text = (
            f"{key[0]}: scale {key[1]} has a mean weight of {weight:.3f}; trained without it "
            f"({mine[0].without}), AP is {100 * abs(loss):.1f} points {change} on average over "
            f"{len(mine)} generators and {len(mine[0].losses)} seeds."
        )
        if test := tests.get(key):
            text += (
                f" Over generators, weight and loss correlate with rho = {_signed(test.statistic)}"
                f" ({_p(test)})."
            )
        said.append(text)
    return said


def _dominant(findings: Findings) -> str:
    means = {
        scale: sum(float(k.weights[:, i].mean()) for k in findings.kinds) / len(findings.kinds)
        for i, scale in enumerate(findings.scales)
    }
    scale = max(means, key=lambda name: means[name])
    low = min(float(k.weights.mean(axis=0)[findings.scales.index(scale)]) for k in findings.kinds)
    text = (
        f"The largest weight goes to scale {scale}: {means[scale]:.3f} on average over "
        f"{len(findings.kinds)} kinds of images, at least {low:.3f} for each."
    )
    if low > 0.9:
        text += " The weights hardly choose between images: one scale has nearly all of it."
    return text


def _generators(findings: Findings) -> str:
    test = findings.images
    count = sum(kind.is_generator for kind in findings.kinds)
    if test is None:
        return "There are fewer than two generators: nothing to compare."
    differ = "differ" if test.p_value < LEVEL else "do not differ beyond chance"
    return (
        f"The weights of the {count} generators {differ}: {100 * test.statistic:.1f} % of their "
        f"variance over images lies between generators ({_p(test)}, images exchanged)."
    )


def _families(findings: Findings) -> str:
    test = findings.families
    members = [kind for kind in findings.kinds if kind.is_generator]
    if test is None:
        return (
            "Families cannot be compared: that needs two of them, one with two generators "
            "(--families=A:x,y;B:z says which belong together)."
        )
    names = dict.fromkeys(kind.family for kind in members)
    counts = ", ".join(f"{name} {sum(k.family == name for k in members)}" for name in names)
    close = (
        "Generators of one family are more alike than those of different ones"
        if test.p_value < LEVEL
        else "Generators of one family are not more alike than chance would make them"
    )
    text = (
        f"{close}: the mean weights of two generators of one family are "
        f"{findings.within_family:.3f} apart, of different families "
        f"{findings.between_families:.3f} ({_p(test)}, generators exchanged; families: {counts})."
    )
    if not test.can_reject:
        text += f" This test cannot reach p < {LEVEL} with so few generators, whatever the weights."
    return text


def _correlations(findings: Findings) -> list[str]:
    said = []
    for row in findings.correlations:
        parts = []
        if row.within is None:
            parts.append("too few mistakes to compare images with")
        elif row.within_p is not None:
            parts.append(
                f"of two images of one generator the one called what it is has the larger weight "
                f"in {100 * row.within.auc:.0f} % of pairs (95 % interval "
                f"{100 * row.within.low:.0f} to {100 * row.within.high:.0f}, "
                f"{format_p(row.within_p)} after Holm, {row.within.n_without} mistakes)"
            )
        if row.across is not None and row.across_p is not None:
            parts.append(
                f"over generators, mean weight and accuracy correlate with rho = "
                f"{_signed(row.across.statistic)} ({format_p(row.across_p)} after Holm, smallest "
                f"possible p = {row.across.smallest_p:.2g})"
            )
        said.append(f"Scale {row.scale}: {'; '.join(parts)}.")
    return said


def _p(test: PermutationTest) -> str:
    kind = "exact" if test.exact else f"{test.permutations:,} permutations"
    return f"{format_p(test.p_value)}, {kind}, smallest possible p = {test.smallest_p:.2g}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
