"""The report's first paragraphs: an evaluation in plain words, every statement from its numbers."""

from collections.abc import Mapping
from typing import Any

from input_pipeline.storage.prepared_dataset import SIMULATION
from npr_jax.evaluation import tables

CHANCE_AUC = 0.6  # a family below this is called close to chance
RANKS_WELL = 0.8  # AUC from which a poor accuracy is blamed on the threshold
SHIFT = 0.05  # accuracy gained by another threshold from which a threshold shift is named

LIMITS = (
    "It looks for traces of up-sampling between neighbouring pixels. It ignores what a picture "
    "shows, and a generator that leaves no such trace passes as a photograph.",
    "Resizing, strong JPEG compression, screenshots and messengers remove or imitate these traces: "
    "photographs may then be called generated, and generated images photographs. This page holds "
    "for images delivered as the tested ones were.",
    "Cameras interpolate too (demosaicing, colour sub-sampling), so photographs are not free of "
    "such traces.",
    "The score is of the whole image: a photograph with a small generated part may pass as a "
    "photograph. predict --evidence=DIR shows where in the image the evidence lies; "
    "docs/evidence.md says how reliably.",
)
UNCALIBRATED = "A score is evidence, not proof, and is not a calibrated probability."
CALIBRATED = (
    "A score is evidence, not proof. This checkpoint has a calibration: the scores that predict "
    "gives with it are calibrated probabilities for images like those it was fitted on, in "
    "generators, delivery and share of generated images, and may be far off for others. The "
    "numbers on this page come from uncalibrated scores, except where it says calibrated."
)
SIMULATED = (
    "The images were simulated: scenes drawn by a program and passed through small decoders that "
    "up-sample as known generators do. The numbers show that the method and this code work; they "
    "do not carry over to real generators and cameras."
)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent; a dash where it is unknown."""
    return "–" if value is None else f"{100 * value:.{digits}f}\u00a0%"


def families(meta: Mapping[str, Any]) -> list[str]:
    """The families trained on, as `meta` names them."""
    named = meta.get("train_family") or []
    return [named] if isinstance(named, str) else [str(name) for name in named]


def headline(results: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Up to four figures for the top of the page: (value, what it is, on how many images)."""
    tiles = []
    trained = [row for row in results["generators"] if row["trained"]]
    if len(trained) == 1:
        what = f"AP on the family it was trained on ({trained[0]['generator']})"
        tiles.append((percent(trained[0]["ap"]), what, _counts(trained[0])))
    if results["unseen"]:
        mean = results["unseen"]
        what = "mean AP over the generators it never saw"
        tiles.append((percent(mean["ap"]), what, _generators(mean)))
    elif results["mean"]:
        mean = results["mean"]
        tiles.append((percent(mean["ap"]), "mean AP over generators", _generators(mean)))
    rate, count = false_alarms(results)
    if count:
        tiles.append(
            (percent(rate), "of photographs wrongly called generated", f"{count} photographs")
        )
    if results["control"]:
        row = results["control"][0]
        what = f"of the control family ({row['generator']}) called generated"
        tiles.append((percent(row["fake_accuracy"]), what, f"{row['n_generated']} images"))
    return tiles


def false_alarms(results: Mapping[str, Any]) -> tuple[float | None, int]:
    """Share of all photographs of the split that were called generated, and their number."""
    rows = list(results["photographs"])
    rows += [row for row in results["generators"] if row["pairing"] == "own"]
    rows += [row for row in results["control"] if row["pairing"] == "own"]
    count = sum(row["n_photographs"] for row in rows)
    wrong = sum(row["confusion"]["fp"] for row in rows)
    return (wrong / count if count else None), count


def sentences(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was trained and how well it does: (heading, plain sentence) in reading order."""
    parts = [
        ("What was trained", _training(results["meta"])),
        ("On the family it was trained on", _trained(results)),
        (
            "On generators it never saw" if results["unseen"] else "Over all generators",
            _mean(results),
        ),
        ("On photographs", _photographs(results)),
        ("On the control family", _control(results)),
        ("Beside cheap classifiers", _baselines(results)),
        ("The threshold", _threshold(results)),
    ]
    return [(heading, text) for heading, text in parts if text]


def simulated(meta: Mapping[str, Any]) -> bool:
    """Whether the images were simulated; of early results, which deny it of all, by their name."""
    return bool(meta.get("simulated")) or SIMULATION in str(meta.get("data")).split("+")


def limits(results: Mapping[str, Any], *, calibrated: bool = False) -> list[str]:
    """What this detector cannot tell, and what these numbers do not say.

    Args:
        results: of an evaluation.
        calibrated: whether the checkpoint evaluated has a calibration.
    """
    said = [SIMULATED] if simulated(results["meta"]) else []
    said += [*LIMITS, CALIBRATED if calibrated else UNCALIBRATED]
    few = [
        row["generator"]
        for row in results["generators"]
        if min(row["n_photographs"], row["n_generated"]) < 100
    ]
    if few:
        said.append(
            f"Fewer than 100 images of a class stand behind {_join(few)}: the 95 % intervals in "
            "the table say how far those numbers may be off."
        )
    return said


def _training(meta: Mapping[str, Any]) -> str:
    if not meta:
        return ""
    text = f"A detector ({meta.get('model') or 'model not recorded'}"
    if meta.get("parameters"):
        text += f", {meta['parameters']:,} parameters"
    text += ")"
    if meta.get("weights"):
        text += f" with weights from {meta['weights']}, not trained here"
    if meta.get("steps"):
        text += f", trained for {meta['steps']:,} steps"
    if meta.get("train_images"):
        text += f" on {meta['train_images']:,} images"
    if families(meta):
        text += f", the generated ones all from {_join(families(meta))}"
    text += "."
    if meta.get("preprocessing"):
        text += f" Preprocessing: {meta['preprocessing']}."
    if meta.get("delivery"):
        text += f" Delivery of the test images: “{meta['delivery']}”."
    return text


def _trained(results: Mapping[str, Any]) -> str:
    said = [
        f"{row['generator']}: AP {percent(row['ap'])}, AUC {percent(row['auc'])}; "
        f"{percent(row['fake_accuracy'])} of the generated images and "
        f"{percent(row['real_accuracy'])} of the photographs are recognised ({_counts(row)})."
        for row in results["generators"]
        if row["trained"]
    ]
    return " ".join(said)


def _mean(results: Mapping[str, Any]) -> str:
    mean = results["unseen"] or results["mean"]
    if not mean:
        return ""
    text = (
        f"Mean over {_generators(mean)}: AP {percent(mean['ap'])}, AUC {percent(mean['auc'])}, "
        f"accuracy {percent(mean['accuracy'])} at threshold 0.5."
    )
    rows = [row for row in results["generators"] if not row["trained"] and row["auc"] is not None]
    if len(rows) > 1:
        rows.sort(key=lambda row: row["auc"])
        best, worst = rows[-1], rows[0]
        text += (
            f" Ranked best: {best['generator']} (AUC {percent(best['auc'])}); worst: "
            f"{worst['generator']} (AUC {percent(worst['auc'])})."
        )
    near = [row["generator"] for row in rows if row["auc"] < CHANCE_AUC]
    if near:
        text += f" Close to chance or below: {_join(near)}."
    return text


def _photographs(results: Mapping[str, Any]) -> str:
    rate, count = false_alarms(results)
    if rate is None:
        return "The test set holds no photographs: false alarms, AP and AUC are unknown."
    wrong = round(rate * count)
    text = f"{wrong} of {count} photographs ({percent(rate)}) are wrongly called generated."
    sources = results["photographs"]
    if len(sources) > 1:
        worst = min(sources, key=lambda row: row["real_accuracy"])
        share = percent(1 - worst["real_accuracy"])
        text += f" Most often those of {worst['generator']} ({share} of {worst['n_photographs']})."
    return text


def _control(results: Mapping[str, Any]) -> str:
    if not results["control"]:
        return ""
    row = results["control"][0]
    text = (
        f"Its images went through a network without any up-sampling. "
        f"{percent(row['fake_accuracy'])} of {row['n_generated']} are called generated"
    )
    rate, count = false_alarms(results)
    text += f", beside {percent(rate)} of the photographs. " if count else ". "
    if row["auc"] is None:
        return text
    if row["auc"] < CHANCE_AUC:
        return text + (
            f"AUC against photographs is {percent(row['auc'])}: close to chance. Going through "
            "such a network does not by itself make an image look generated to this detector."
        )
    return text + (
        f"AUC against photographs is {percent(row['auc'])}: this part of the detection is not "
        "about up-sampling but about other traces of the decoder."
    )


def _baselines(results: Mapping[str, Any]) -> str:
    table = tables.baseline_rows(results)
    known = [
        (value, name, classifier)
        for name, _, values in table
        for classifier, value in values.items()
        if value is not None
    ]
    if not known:
        return ""
    value, name, classifier = max(known)
    detector = next(auc for family, auc, _ in table if family == name)
    return (
        "Simple classifiers of file metadata, colours, noise and spectrum show what could be "
        f"detected without a detector. The best of them, {classifier.replace('_', ' ')} on "
        f"{name}, reaches AUC {percent(value)}; the detector reaches {percent(detector)} there."
    )


def _threshold(results: Mapping[str, Any]) -> str:
    shifted = [
        row["generator"]
        for row in results["generators"]
        if row["auc"] is not None
        and row["auc"] >= RANKS_WELL
        and row["best_accuracy"] - row["accuracy"] >= SHIFT
    ]
    if not shifted:
        return ""
    return (
        f"For {_join(shifted)} another threshold than 0.5 would classify at least "
        f"{100 * SHIFT:.0f} in 100 images more correctly: the scores rank these images better than "
        "the accuracy at 0.5 suggests."
    )


def _counts(row: Mapping[str, Any]) -> str:
    return f"{row['n_photographs']} photographs, {row['n_generated']} generated"


def _generators(mean: Mapping[str, Any]) -> str:
    count = mean["n_generators"]
    return f"{count} generator{'s' * (count != 1)}"


def _join(names: list[str]) -> str:
    if len(names) > 6:
        names = [*names[:5], f"{len(names) - 5} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
