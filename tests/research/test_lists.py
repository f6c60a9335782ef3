"""Several things in words."""

import pytest

from docs.research.lists import every, listed


@pytest.mark.parametrize(
    ("parts", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_listed(parts, text):
    assert listed(parts) == text


def test_every_value_once_and_numbers_by_size():
    rows = [{"images": number, "data": name} for number in (3560, 912, 912) for name in "ba"]
    assert every(rows, "images") == "912 and 3560"
    assert every([{"images": text} for text in ("3560", "912", "none")], "images") == (
        "912, 3560 and none"
    )
    assert every(rows, "data") == "a and b"
