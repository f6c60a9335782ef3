"""Comparisons as a Markdown table and as a forest plot."""

from collections.abc import Sequence

import numpy as np
from matplotlib import figure

from docs.research.comparisons import Comparison
from docs.research.wording import outcome, signed
from npr_jax.analysis.figures import style
from npr_jax.analysis.statistics.wording import format_p

LOOKS = {
    "ahead": (style.BLUE, "o"),
    "behind": (style.VERMILLION, "s"),
    "within noise": (style.BLACK, "D"),
}


def comparison_table(comparisons: Sequence[Comparison], measure: str = "AUC") -> str:
    """One line per comparison: difference, interval, p over seeds, generators, p over them."""
    lines = [
        f"| compared | seeds | {measure}, points | 95 % interval | over seeds (t, Holm) | outcome "
        "| generators ahead | over generators (Wilcoxon) |",
        "|---|---:|---:|---:|---|---|---:|---|",
    ]
    for each in comparisons:
        count = each.by_generator.size
        ahead = f"{int((each.by_generator > 0).sum())} of {count}" if count > 1 else "-"
        cells = [each.name, str(each.by_seed.size)]
        if not each.measured:
            cells += ["not measured yet", "", "", "", "", ""]
        else:
            cells += [
                signed(each.gain),
                f"{signed(each.low)} to {signed(each.high)}",
                format_p(each.p_value),
                outcome(each),
                ahead,
                format_p(each.p_generators) if count > 1 else "-",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def forest(
    comparisons: Sequence[Comparison], title: str, *, measure: str = "AUC", width: float = 6.8
) -> figure.Figure:
    """Differences with their intervals over seeds, one line each, and the seeds themselves."""
    shown = [each for each in comparisons if each.measured]
    with style.styled():
        drawing = style.new_figure(width, 1.2 + 0.29 * len(shown))
        ax = drawing.add_subplot()
        ax.axvline(0.0, color=style.BLACK, linewidth=0.8)
        for line, each in enumerate(reversed(shown)):
            colour, marker = LOOKS[outcome(each)]
            ax.plot([each.low, each.high], [line, line], color=colour, linewidth=1.6)
            heights = np.full(each.by_seed.size, line - 0.27)
            ax.plot(each.by_seed, heights, "|", color="#777777", markersize=5)
            ax.plot(each.gain, line, marker, color=colour, markersize=5.5)
        ax.set_yticks(range(len(shown)), [each.name for each in reversed(shown)])
        ax.set_ylim(-0.7, len(shown) - 0.4)
        ax.grid(visible=False, axis="y")
        ax.set_xlabel(f"difference in {measure} (points); small strokes: single seeds")
        ax.set_title(title)
        for name, (colour, marker) in LOOKS.items():
            ax.plot([], [], marker, color=colour, linestyle="-", markersize=5.5, label=name)
        drawing.legend(loc="outside lower center", ncols=3)
        return drawing
