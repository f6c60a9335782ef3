"""Result tables whose numbers the test chooses, in the form that sweeps write."""

import csv

from docs.research.result_table import ResultTable

KINDS = {"nearest_conv": "trained", "control": "control", "photographs": "photographs"}
GENERATORS = (
    *("nearest_conv", "fir_conv", "transposed4", "transposed3", "ldm_vae", "unet"),
    *("pixel_shuffle", "bicubic_sr"),
)


def row(variant, seed, generator, auc, **columns):
    """One line; accuracy and AP are the AUC too unless given."""
    kind = KINDS.get(generator, "unseen")
    measures = dict.fromkeys(("accuracy", "best_accuracy", "ap", "auc"), auc)
    if kind == "photographs":
        measures = dict.fromkeys(("best_accuracy", "ap", "auc")) | {"accuracy": auc}
    return {
        **{"sweep": "scales", "variant": variant, "seed": seed, "generator": generator},
        **{"kind": kind, "data": "simulation", "data_fingerprint": "f00", "train_images": 40},
        **{"n_photographs": 5, "n_generated": 0 if kind == "photographs" else 5},
        **{"commit": "abc", "date": "2026-01-02", "machine": "a machine"},
        **measures,
        "real_accuracy": auc,
        **columns,
    }


def table(aucs, seeds=(0, 1, 2, 3, 4), name="scales", noise=0.002):
    """``{variant: AUC, or {generator: AUC}}``; seeds differ a little, variant by variant."""
    rows = []
    for place, (variant, given) in enumerate(aucs.items()):
        for number, seed in enumerate(seeds):
            for generator in GENERATORS:
                auc = given[generator] if isinstance(given, dict) else given
                auc += noise * ((number * (1 + place % 4) + place) % 5 - 2)
                rows.append(row(variant, seed, generator, auc))
    return ResultTable(name, rows)


def write(results, path):
    """The table as a file; None as an empty cell."""
    columns = list(dict.fromkeys(key for line in results.rows for key in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(results.rows)
