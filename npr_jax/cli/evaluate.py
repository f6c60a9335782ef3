"""``evaluate``, ``robustness``, ``calibrate``, ``localize``: what a detector is worth."""

import pathlib
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, check_directory, choice, integer, number, switch, text
from npr_jax.cli.detector_flags import (
    DATA_FLAGS,
    flags_of_detector,
    heat_map_flag,
    load_one_detector,
    open_test,
    resize_flag,
    run_flags,
    workdirs_of,
)

_RESULTS = (
    "Directory for the results. Without it: the run's own; needed unless --workdir is one run."
)


def _evaluate(flags: Any) -> int:
    from npr_jax.analysis.report import build_report
    from npr_jax.evaluation.evaluate import evaluate_run

    opened = open_test("evaluate", flags, delivery=flags.delivery)
    if evaluate_run(*opened, samples=flags.samples) is not None:
        print(f"report: {build_report(opened[-1])}")
    return 0


def _robustness(flags: Any) -> int:
    from input_pipeline.images.degradations import transformations
    from input_pipeline.storage.atomic_files import write_together
    from npr_jax.analysis.figures import style
    from npr_jax.analysis.figures.robustness import draw
    from npr_jax.evaluation.robustness import format_table, measure_robustness

    chosen = transformations(flags.transformations)
    opened = open_test("robustness", flags)
    results = measure_robustness(*opened, chosen, chosen=flags.transformations)
    print(format_table(results))
    figure = style.figure_files(draw(results), "robustness")
    write_together(opened[-1] / "robustness" / results["name"], figure)
    return 0


def _calibrate(flags: Any) -> int:
    from configs import default
    from input_pipeline.storage.atomic_files import write_together
    from npr_jax.analysis.figures import style
    from npr_jax.analysis.figures.reliability import draw
    from npr_jax.cli import host
    from npr_jax.detectors.calibration_file import FOLDER
    from npr_jax.detectors.card import find_card, own_card
    from npr_jax.evaluation.calibrate import calibrate
    from npr_jax.evaluation.calibrated_copy import check_place, write_calibrated_copy
    from npr_jax.evaluation.calibration_words import in_words
    from npr_jax.inference.detector import Detector

    _check_calibrate(flags)
    card = None  # of a run, which has none, and of published weights
    if flags.weights:
        card = find_card(flags.weights)
    elif not flags.workdir:
        card = own_card()
    directory = pathlib.Path(flags.output or flags.workdir)
    copy = check_place(card, directory) if card else None
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    if flags.workdir and not flags.weights:
        detector = Detector.load(
            flags.workdir, checkpoint=flags.checkpoint, calibrated=flags.keep_limits
        )
    else:
        detector = load_one_detector("calibrate", flags)
    results = calibrate(
        detector,
        directory,
        data=flags.data,
        split=flags.split,
        target_error=flags.target_error,
        source_error=flags.source_error,
        keep_limits=flags.keep_limits,
        settings=default.get_config(),
    )
    print(in_words(results))
    figure = style.figure_files(draw(results), str(results["checkpoint"]["step"]))
    write_together(directory / FOLDER, figure)
    if card:
        write_calibrated_copy(card, results, directory)
        print(f"written to {copy}; try it: predict --weights={copy} my_pictures/")
    return 0


def _check_calibrate(flags: Any) -> None:
    """Raises ``UserError`` for flags that do not go together."""
    if not flags.workdir and not (flags.data and flags.output):
        raise UserError(
            "calibrate needs --workdir=RUN; or --data=PREPARED and --output=FOLDER for a copy of "
            "the bundled detector, or of that of --weights, with a calibration of its own"
        )
    if len(workdirs_of(flags.workdir)) > 1:
        raise UserError(
            f"calibrate --workdir={flags.workdir}: an ensemble has no checkpoint to keep a "
            "calibration with; calibrate one run"
        )
    if flags.workdir and flags.output:
        raise UserError(
            f"calibrate --output={flags.output}: a run keeps its calibration itself; leave it out"
        )
    check_directory("output", flags.output)
    rates = [f"--{name}" for name in ("target_error", "source_error") if flags[name].present]
    if flags.keep_limits and rates:
        raise UserError(f"{', '.join(rates)} with --keep_limits: the limits have their own rates")


def _localize(flags: Any) -> int:
    from npr_jax.cli import host
    from npr_jax.evaluation.localization import folder_of, format_rows, localize

    if not (flags.workdir or flags.output):
        raise UserError("localize needs --workdir=RUN, or --output=DIR for the results")
    if flags.output and pathlib.Path(flags.output).is_file():
        raise UserError(f"--output={flags.output} is a file; localize needs a directory")
    host.use_cores_as_devices()
    detector = load_one_detector("localize", flags)
    directory = pathlib.Path(flags.output or flags.workdir)
    results = localize(
        detector,
        directory,
        count=flags.composites,
        size=flags.image_size,
        method=flags.heat_map,
    )
    print(format_rows(results))
    print(f"written to {directory / folder_of(detector)}")
    return 0


EVALUATE = Command(
    name="evaluate",
    summary="Score a test split: precision and accuracy of every generator, and a report.",
    usage="(--workdir=RUN | [--weights=FILE] --output=DIR --data=PREPARED) [--split=NAME] "
    "[--resize=native|PIXELS|protocol] [--delivery=clean|web|hard]",
    examples=(
        "evaluate --workdir=runs/npr --data=prepared/forensynths --split=test",
        "evaluate --workdir=runs/npr --delivery=web",
        "evaluate --weights=NPR.pth --data=prepared/forensynths --output=runs/published",
    ),
    define=(
        *flags_of_detector(),
        resize_flag(protocol=True),
        *DATA_FLAGS,
        choice(
            "delivery",
            "",
            ["", "clean", "web", "hard"],
            "How test images are sent before they are scored. Without it: as the recipe says.",
        ),
        text("output", _RESULTS),
        integer("samples", 10, "Images of each kind that are kept for the report.", lowest=0),
    ),
    run=_evaluate,
)
ROBUSTNESS = Command(
    name="robustness",
    summary="Score a test split unchanged and after JPEG, resizing, blur and other changes.",
    usage="(--workdir=RUN | [--weights=FILE] --output=DIR --data=PREPARED) "
    "[--split=NAME] [--resize=native|PIXELS|protocol] [--transformations=A,B]",
    examples=(
        "robustness --workdir=runs/npr",
        "robustness --workdir=runs/npr --transformations=jpeg,webp,resize",
    ),
    define=(
        *flags_of_detector(),
        resize_flag(protocol=True),
        *DATA_FLAGS,
        text("transformations", "Which families, such as jpeg,webp,resize. Without it: all."),
        text("output", _RESULTS),
    ),
    run=_robustness,
    advice={
        "delivery": "deliveries are among the transformations; give --transformations=delivery for "
        "them alone"
    },
)
CALIBRATE = Command(
    name="calibrate",
    summary="Fit a detector's probabilities and verdicts, at rates of error that you set.",
    usage="(--workdir=RUN [--data=PREPARED] | [--weights=CARD] --data=PREPARED --output=FOLDER) "
    "[--split=NAME] [--target_error=SHARE] [--source_error=SHARE] [--keep_limits]",
    details="A run keeps its calibration. Of the bundled detector, or that of --weights, a copy is "
    "written that has the new one, for predict --weights=FOLDER; of data with several splits, "
    "--split then names one.",
    examples=(
        "calibrate --data=prepared/mine --output=calibrated",
        "calibrate --workdir=runs/npr",
        "calibrate --workdir=runs/npr --data=prepared/mine --target_error=0.02",
        "calibrate --workdir=runs/npr --data=prepared/new --split=test --keep_limits",
    ),
    define=(
        *run_flags("Directory of the run. Without it and --weights: the bundled detector."),
        text("weights", "Instead of a run: a detector with a card, its folder or the card."),
        *DATA_FLAGS,
        text("output", "Folder for the calibrated copy of a detector that is no run."),
        number(
            "target_error",
            0.05,
            "Share of photographs that may be called generated, and of generated images that may "
            "be called photograph, in each delivery.",
        ),
        number(
            "source_error",
            0.10,
            "Share of the photographs of any one source that may be called generated.",
        ),
        switch(
            "keep_limits",
            "Fit probabilities only, and keep the limits of verdicts that the calibration before "
            "has: for images of new generators, where the limits were fitted to other photographs.",
        ),
    ),
    run=_calibrate,
    advice={"resize": "a calibration is of the preprocessing that the detector was trained with"},
)
LOCALIZE = Command(
    name="localize",
    summary="Measure whether heat maps find a generated part of a picture.",
    usage="(--workdir=RUN | [--weights=FILE] --output=DIR) [--composites=N] "
    "[--image_size=N] [--heat_map=METHOD]",
    examples=(
        "localize --workdir=runs/npr --composites=50",
        "localize --output=runs/default",
    ),
    define=(
        *flags_of_detector(ensembles=False),
        integer("composites", 50, "Pictures of each family and shift.", lowest=2),
        integer("image_size", 128, "Side of the pictures in pixels."),
        heat_map_flag("How the heat map is made."),
        text("output", _RESULTS),
    ),
    run=_localize,
    advice={"resize": "composites are scored by the detector's own preprocessing"},
)
