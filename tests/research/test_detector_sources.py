"""The sources on the detector's page are those of the splits that it was trained on."""

from docs.research.detector_sources import format_block, of_the_run, splits_of

ROWS = [
    {"split": s, "source": n, "label": label, "images": str(c), "what": "x", "licence": licence}
    for s, n, label, c, licence in [
        ("train", "street", "0", 30, ""),
        ("train", "old", "1", 20, "MIT"),
        ("dev", "street", "0", 5, ""),
        ("dev", "old", "1", 4, "MIT"),
        ("dev", "new", "1", 3, ""),
    ]
]


def test_a_split_counts_where_all_its_generators_were_trained_on():
    assert splits_of(ROWS, ["old", "reconstructed_x"]) == ["train"]
    text = format_block(ROWS, ["old"])
    assert "| `street` | 30 photographs | x | none stated |" in text
    assert "| `old` | 20 generated | x | MIT |" in text
    assert "`new`" not in text
    assert text.endswith("split `train`.")


def test_both_splits_are_added_up():
    text = format_block(ROWS, ["new", "old"])
    assert "| `street` | 35 photographs |" in text
    assert "| `old` | 24 generated |" in text
    assert "| `new` | 3 generated | x | none stated |" in text
    assert text.index("street") < text.index("`old`")
    assert text.endswith("split `train` and `dev`.")


def test_the_run_is_told_by_the_card():
    facts = {"name": "wild", "version": "3", "step": 9380, "seed": 0}
    facts |= {"trained_on": {"train_images": 3535}}
    told = "wild 3 is the checkpoint of step 9,380 of a run on 3,535 images, seed 0."
    assert of_the_run(facts) == told
    calibrated = {"photographs": 92, "generated": 71, "images": "those held out"}
    assert of_the_run(facts | {"calibrated_on": calibrated}).endswith(
        "fitted to 92 photographs and 71 generated images: those held out."
    )
