"""Whether heat maps point at what was generated, from what `localize` left on disk."""

from __future__ import annotations

import json

from input_pipeline.errors import UserError
from npr_jax.analysis import markup
from npr_jax.analysis.run_results import Run

FILE = "localization/localization.json"


def localization(run: Run) -> list[str]:
    """A table of pixel AUCs; nothing where `localize` was not run.

    Raises:
        ValueError: the file is not JSON.
    """
    path = run.workdir / FILE
    if not path.is_file():
        return []
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}; run localize again") from error
    meta = results["meta"]
    rows = [
        [
            markup.head(row["family"]),
            markup.cell(str(row["shift"])),
            markup.cell(
                f"{row['pixel_auc']:.3f}", f"{row['interval'][0]:.3f}–{row['interval'][1]:.3f}"
            ),
            markup.cell(f"{row['other_mask_auc']:.3f}"),
            markup.share(row["hits"]),
            markup.share(row["area"]),
        ]
        for row in results["rows"]
    ]
    head = ["region made by", "shift", "pixel AUC", "another region", "hits", "area"]
    caption = (
        f"Mean over {meta['composites']} composites of {meta['size']} pixels for each row, scenes "
        f"of seed {meta['seed']}; small print: 95 % bootstrap interval over composites; "
        f"{meta['detector']}, heat map from {meta['method']}; commit {meta['commit']}, "
        f"{meta['date']}."
    )
    return [
        markup.heading("Does the heat map point at what was generated?"),
        markup.note(
            "Photographs of the embedded data with a region of their own generated version pasted "
            "in. Pixel AUC: how often a pixel of the region has a higher value than one outside, "
            "0.5 is chance. Another region: the same with the region of the next composite, which "
            "should be chance. Hits: the highest value lies in the region; area: its share of "
            "the picture. Shift: pixels between the region's up-sampling grid and the picture's."
        ),
        markup.table(head, rows, caption),
    ]
