"""The command that measures how long the invisible mark is read, and its block of docs/data.md."""

import numpy as np
from PIL import Image

from docs.research import mark_survival
from input_pipeline.images.invisible_mark import write_mark
from tests.trees import save


def soft(seed):
    coarse = np.random.default_rng(seed).integers(60, 200, (20, 20, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((320, 288), Image.Resampling.BICUBIC))


def test_what_is_measured_is_laid_out(tmp_path):
    root = tmp_path / "in"
    for index in range(4):
        for folder in ("camera/0_real", "sd/1_fake"):
            (root / "dev" / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(soft(index)).save(root / f"dev/camera/0_real/{index}.png")
        Image.fromarray(write_mark(soft(9 + index))).save(root / f"dev/sd/1_fake/{index}.png")
    save(root / "dev/other/1_fake/a.png", 1, (256, 256))  # carries none, so it is not delivered
    output = tmp_path / "new" / "mark.csv"
    mark_survival.main([str(root), str(output), "--simulated=2"])
    rows = mark_survival.read_rows(output)
    of = {(row["group"], row["delivery"]): row for row in rows}
    assert {group for group, _ in of} == {
        "photographs",
        "photographs, marked here",
        "files that carry the mark",
        "simulated photographs",
    }
    marked = of["files that carry the mark", "clean"]
    assert (marked["images"], marked["carried"]) == ("4", "4")
    assert of["photographs, marked here", "clean"]["carried"] == "1"
    assert of["files that carry the mark", "delivery hard"]["carried"] == "0"
    assert of["photographs", "jpeg 80"]["images"] == "4"
    block = mark_survival.format_block(rows)
    assert "| clean | 0 of 4 | 1 of 1 | 4 of 4 | 0 of 2 |" in block
    assert f"6 photographs, {6 * len(mark_survival.DELIVERIES)} readings: 0 false alarms" in block


def test_without_a_table_the_page_says_so(tmp_path):
    assert mark_survival.read_rows(tmp_path / "none.csv") == []
    assert mark_survival.format_block([]).startswith("Not measured yet")
