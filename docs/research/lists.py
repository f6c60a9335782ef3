"""Several things in words: "a, b and c"."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def every(rows: Iterable[Mapping[str, Any]], column: str) -> str:
    """What a column of a table holds, every value once: "912, 922 and 3487", "a and b"."""
    values = {row[column] for row in rows}
    return listed([str(value) for value in sorted(values, key=_order)])


def _order(value: Any) -> tuple[float, str]:
    """Numbers by size, also those that are text; other texts after them."""
    text = str(value)
    return (float(text) if text.isdecimal() else math.inf), text
