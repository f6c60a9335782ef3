"""Runs of two recipes after `robustness`, as docs/detector.md compares them."""

import json

import pytest

from docs.research import stronger_delivery
from input_pipeline.errors import UserError


def robustness(folder, seed, blurred):
    """Twenty photographs with logits 0 to 19, and two pictures of a new generator, at 30.

    After ``blur 1`` the ``blurred`` last photographs have 40, the pictures 20.
    """
    rows = [f"dev/{i}.png,street,0,{i},{40 if i >= 20 - blurred else 0}" for i in range(20)] + [
        f"dev/{name}.png,new,1,30,20" for name in "ab"
    ]
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text(
        "\n".join(["filename,generator,label,clean,blur 1", *rows, ""])
    )
    meta = {"seed": seed, "steps": 375, "train_family": ["known"], "commit": "abc"}
    meta |= {"date": "2026-01-01", "machine": "m"}
    (folder / "results.json").write_text(json.dumps({"meta": meta}))
    return folder


def test_false_alarms_are_of_each_runs_own_limit_and_means_over_seeds(tmp_path):
    runs = [
        f"{recipe}={robustness(tmp_path / recipe / str(seed), seed, blurred)}"
        for recipe, seed, blurred in (
            ("before", 0, 10),
            ("before", 1, 15),
            ("before", 2, 0),
            ("stronger", 0, 2),
            ("stronger", 1, 4),
        )
    ]
    table = tmp_path / "new" / "table.csv"
    stronger_delivery.main([str(table), *runs])
    text = stronger_delivery.block_of(table)
    # Seed 2 has only one recipe. 95 % of 0 to 19 is 18.05, which one photograph in twenty exceeds.
    assert (
        "| clean | 5.0 (5 to 5) | 5.0 (5 to 5) | 100.0 (100 to 100) | 100.0 (100 to 100) |" in text
    )
    # 10 and 15 of 20 are at 40; above them the pictures at 20 are above 10 and 5 of 20.
    assert (
        "| blur 1 | 62.5 (50 to 75) | 15.0 (10 to 20) | 37.5 (25 to 50) | 85.0 (80 to 90) |" in text
    )
    assert "mean over 2 seeds of 375 steps (lowest to highest); 20 photographs, 1 gen" in text
    assert text.endswith("Commit abc, 2026-01-01, m.")


def test_what_cannot_be_compared_is_refused(tmp_path):
    folder = robustness(tmp_path / "run", 0, 1)
    with pytest.raises(UserError, match="recipe 'other'; expected one of before, stronger"):
        stronger_delivery.main([str(tmp_path / "table.csv"), f"other={folder}"])
    scores = folder / "scores.csv"
    scores.write_text(scores.read_text().replace("30,20", "30,"))
    with pytest.raises(UserError, match="a picture has no score after blur 1"):
        stronger_delivery.measured("before", folder)
    assert stronger_delivery.block_of(tmp_path / "none.csv").startswith("Not measured yet")
