"""The command that measures the leak table of a collection, and its block of docs/data.md."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from docs.research import leaks
from input_pipeline.errors import UserError
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
    scores = tmp_path / "scores.csv"
    logits = np.random.default_rng(0).normal(size=24)
    labels = np.repeat([0, 1], 12)
    lines = [f"{i}.png,g,{y},{z}" for i, (y, z) in enumerate(zip(labels, logits, strict=True))]
    scores.write_text("\n".join(["filename,generator,label,logit", *lines]))
    output = tmp_path / "new" / "leaks.csv"
    leaks.main([str(source), str(output), "--scores", f"dev={scores}", "--name", "NPR"])
    rows = leaks.read_rows(output)
    auc = {row["kind"]: row["auc"] for row in rows}
    assert auc["brightness"] == "1.0000"
    assert auc["format"] == "0.5000"
    assert float(auc["detector NPR"]) == pytest.approx(roc_auc_score(labels, logits), abs=1e-4)
    assert str(tmp_path) not in output.read_text()
    block = leaks.format_block(rows)
    assert "| seen alone | dev (12 photographs, 12 generated) |" in block
    assert "| brightness | 1.000 |" in block
    assert block.index("**all together**") < block.index("**detector NPR**")


def test_a_split_without_files_is_named(source, tmp_path):
    with pytest.raises(UserError, match=r"has no split test; it has dev"):
        leaks.measure(source, {"test": tmp_path / "scores.csv"}, "NPR")
    with pytest.raises(SystemExit):
        leaks.main([str(source), str(tmp_path / "x.csv"), "--scores", "scores.csv"])


def test_without_a_table_the_page_says_so(tmp_path):
    assert leaks.read_rows(tmp_path / "none.csv") == []
    assert leaks.format_block([]).startswith("Not measured yet")
