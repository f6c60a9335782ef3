"""The delivery curve: the score of one picture as it is delivered in ever worse ways, as SVG."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from npr_jax.analysis.markup import escape
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH
from npr_jax.serving.page.words import VERDICTS

if TYPE_CHECKING:
    from npr_jax.serving.examination import DeliveryPoint

# Title, what the horizontal axis is, and its unit.
_FAMILIES = {
    "jpeg": ("Saved again as JPEG", "JPEG quality", 1.0),
    "webp": ("Saved again as WebP", "WebP quality", 1.0),
    "resize": ("Made smaller or larger", "size, % of the original", 100.0),
}
_WIDTH, _HEIGHT = 264.0, 196.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 26.0, 38.0
_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
_CLASSES = {GENERATED: "generated", PHOTOGRAPH: "photograph"}


@dataclasses.dataclass(frozen=True)
class _Panel:
    """One family's chart: strengths from weakest change to strongest, left to right."""

    points: Sequence[DeliveryPoint]
    unit: float

    def x(self, place: int) -> float:
        inner = _WIDTH - _LEFT - _RIGHT
        return _LEFT + inner * (place + 0.5) / len(self.points)

    @staticmethod
    def y(score: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - score)


def delivery_panels(points: Sequence[DeliveryPoint], score: float) -> list[str]:
    """One SVG element for each family of deliveries, in their order.

    Args:
        points: of ``Examination.delivery``; those without a score leave a gap.
        score: of the picture as it came, drawn as a dashed line.
    """
    families = dict.fromkeys(point.family for point in points)
    return [_panel(family, [p for p in points if p.family == family], score) for family in families]


def _panel(family: str, points: Sequence[DeliveryPoint], score: float) -> str:
    title, axis, unit = _FAMILIES.get(family, (family, "strength", 1.0))
    panel = _Panel(points, unit)
    said = "; ".join(_said(point) for point in points)
    words = f"{title}. Score as it came {score:.2f}. {said}"
    parts = [
        f'<svg class="curve" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" '
        f'aria-label="{escape(words)}">',
        f'<text class="curve-title" x="4" y="14">{escape(title)}</text>',
        *(_grid_line(value) for value in _GRID),
        f'<line class="as-came" x1="{_LEFT:g}" x2="{_WIDTH - _RIGHT:g}" '
        f'y1="{panel.y(score):.1f}" y2="{panel.y(score):.1f}"/>',
        *_line(panel),
        *(_mark(panel, place, point) for place, point in enumerate(points)),
        *(_tick(panel, place, point) for place, point in enumerate(points)),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:g}" y="{_HEIGHT - 5:g}" text-anchor="middle">'
        f"{escape(axis)}</text>",
        f'<text transform="translate(12 {(_TOP + _HEIGHT - _BOTTOM) / 2:g}) rotate(-90)" '
        'text-anchor="middle">score</text>',
        "</svg>",
    ]
    return "".join(parts)


def _said(point: DeliveryPoint) -> str:
    if point.score is None:
        return f"{point.label}: not scored"
    return f"{point.label}: {point.score:.2f}, {VERDICTS.get(point.verdict, point.verdict)}"


def _grid_line(value: float) -> str:
    y = _Panel.y(value)
    label = {0.0: "0", 0.5: "0.5", 1.0: "1"}.get(value)
    text = (
        f'<text x="{_LEFT - 6:g}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'
        if label
        else ""
    )
    ends = f'x1="{_LEFT:g}" x2="{_WIDTH - _RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"'
    return f'<line class="grid" {ends}/>{text}'


def _line(panel: _Panel) -> list[str]:
    """The line, broken where a point has no score."""
    runs: list[list[str]] = [[]]
    for place, point in enumerate(panel.points):
        if point.score is None:
            runs.append([])
        else:
            runs[-1].append(f"{panel.x(place):.1f},{panel.y(point.score):.1f}")
    return [f'<polyline class="line" points="{" ".join(run)}"/>' for run in runs if len(run) > 1]


def _mark(panel: _Panel, place: int, point: DeliveryPoint) -> str:
    """The point, its shape by the verdict; hovering tells its numbers."""
    if point.score is None:
        return ""
    x, y = panel.x(place), panel.y(point.score)
    if point.verdict == GENERATED:
        shape = f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
    elif point.verdict == PHOTOGRAPH:
        shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    else:
        shape = (
            f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
            f'<text class="question" x="{x:.1f}" y="{y + 3.4:.1f}" text-anchor="middle">?</text>'
        )
    kind = _CLASSES.get(point.verdict, "unsure") + ("" if point.counts else " aside")
    return f'<g class="mark {kind}"><title>{escape(_said(point))}</title>{shape}</g>'


def _tick(panel: _Panel, place: int, point: DeliveryPoint) -> str:
    x = panel.x(place)
    return (
        f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 14:g}" text-anchor="middle">'
        f"{panel.unit * point.strength:g}</text>"
    )
