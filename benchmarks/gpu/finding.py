"""One line of the GPU table: what was asked, what was found, the goal and whether it is met."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from input_pipeline.storage.atomic_files import write_json


@dataclasses.dataclass(frozen=True)
class Finding:
    """``met`` is None where there is no goal."""

    what: str
    found: str
    goal: str = ""
    met: bool | None = None


def fact(what: str, found: object) -> Finding:
    """What has no goal."""
    return Finding(what, shown(found))


def at_least(what: str, value: float, goal: float) -> Finding:
    """Met from the goal upwards."""
    return Finding(what, shown(value), f"at least {shown(goal)}", bool(value >= goal))


def at_most(what: str, value: float, goal: float) -> Finding:
    """Met up to the goal; NaN never is."""
    return Finding(what, shown(value), f"at most {shown(goal)}", bool(value <= goal))


def shown(value: object) -> str:
    """Numbers in three digits; from 1,000 on in whole ones."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(path: str, findings: list[Finding], **details: Any) -> None:
    """Writes a step's findings, and the numbers behind them, as JSON."""
    write_json(path, {"findings": [dataclasses.asdict(f) for f in findings], **details})


def read(written: dict[str, Any]) -> list[Finding]:
    """The findings of such a file."""
    return [Finding(**row) for row in written.get("findings", [])]
