"""The command that measures the leak table of a collection, and its block of docs/data.md."""

import numpy as np
import pytest
from PIL import Image

from docs.research import leaks
from docs.research.detector_figures import Scored
from tests.trees import save


@pytest.fixture
def source(tmp_path):
    """Twelve dark photographs and twelve bright generated images, all PNG of one size."""
    for index in range(12):
        dark = save(tmp_path / f"in/dev/g/0_real/{index}.png", index) // 4
        Image.fromarray(dark).save(tmp_path / f"in/dev/g/0_real/{index}.png")
        save(tmp_path / f"in/dev/g/1_fake/{index}.png", 100 + index)
    return tmp_path / "in"


def test_a_measured_table_is_read_back_and_laid_out(source, tmp_path):
    output = tmp_path / "new" / "leaks.csv"
    leaks.main([str(source), str(output)])
    rows = leaks.read_rows(output)
    auc = {row["kind"]: row["auc"] for row in rows}
    assert auc["brightness"] == "1.0000"
    assert auc["format"] == "0.5000"
    assert str(tmp_path) not in output.read_text()
    labels = np.array([0, 0, 0, 1, 1])
    # Of six pairs of a photograph and a generated image one is in the wrong order.
    logits = {"clean": np.array([0.0, 1.0, 3.0, 2.0, 4.0]), "web": np.zeros(5)}
    scored = Scored(labels, np.repeat("g", 5), logits)
    block = leaks.format_block(rows, [("dev", "npr 1", scored), ("train", "npr 2", scored)])
    assert "| seen alone | dev (12 photographs, 12 generated) |" in block
    assert "| brightness | 1.000 |" in block
    assert block.index("**all together**") < block.index("| **npr 1** | 0.833 (3, 2) |")
    assert "| **npr 2** |  |" in block


def test_without_a_table_the_page_says_so(tmp_path):
    assert leaks.read_rows(tmp_path / "none.csv") == []
    assert leaks.format_block([]).startswith("Not measured yet")
