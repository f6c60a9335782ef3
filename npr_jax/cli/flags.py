"""Every flag of ``main.py``; each names the commands that read it."""

from __future__ import annotations

from absl import flags
from ml_collections import config_flags


def define() -> flags.FlagHolder:
    """Defines the flags, once per process; returns the holder of ``--config``."""
    config = config_flags.DEFINE_config_file(
        "config", None, "train, noise_predictor: configs/*.py; sweep: configs/sweeps/*.py."
    )
    _define_running()
    _define_looking()
    _define_measuring()
    _define_sweeping()
    _define_preparing()
    _define_diffusion()
    _define_export()
    _define_serving()
    return config


def _define_running() -> None:
    """Of train, evaluate, predict and report."""
    flags.DEFINE_string(
        "workdir",
        "",
        "Directory of the run; evaluate, robustness, predict: A,B,C for their ensemble; "
        "report: for seeds.",
    )
    flags.DEFINE_string(
        "coordinator", "", "train: HOST:PORT of process 0, to train as one of several."
    )
    flags.DEFINE_integer("process_id", 0, "train, with --coordinator: number of this process.")
    flags.DEFINE_integer("num_processes", 1, "train, with --coordinator: how many there are.")
    flags.DEFINE_string(
        "weights", "", "evaluate, robustness, predict, export: published weights instead of a run."
    )
    flags.DEFINE_enum(
        "checkpoint", "best", ["best", "last"], "all that score: which checkpoint of a run."
    )
    flags.DEFINE_string(
        "resize",
        "",
        "evaluate, robustness, predict, export: native, pixels or protocol; empty: the run's.",
    )
    flags.DEFINE_string(
        "data",
        "",
        "evaluate, robustness, calibrate: prepared data sets, A or A,B; empty: the run's own; "
        "reconstruct: one data set.",
    )
    flags.DEFINE_string(
        "split",
        "",
        "evaluate, robustness, calibrate: split to score; prepare: name of the only split.",
    )
    flags.DEFINE_enum(
        "delivery", "", ["", "clean", "web", "hard"], "evaluate: how test images reached us."
    )
    flags.DEFINE_string(
        "output",
        "",
        "predict: CSV file; prepare --check: JSON file; export: file or folder; "
        "prepare, reconstruct, evaluate, robustness, report: directory.",
    )
    flags.DEFINE_string("maps", "", "predict: directory for each file's map of positions (.npz).")
    flags.DEFINE_string(
        "baseline",
        "",
        "report: what to compare with: runs A,B,C (seeds) of a system, or a sweep's variant; "
        "empty: the paper's NPR, and the sweep's.",
    )
    flags.DEFINE_bool("intervals", False, "report: bootstrap intervals of every generator.")
    flags.DEFINE_float(
        "confidence",
        None,
        "predict: verdicts below this probability are 'unsure'; without it as calibrated, or 0.75.",
    )


def _define_measuring() -> None:
    """Of robustness and calibrate."""
    flags.DEFINE_string(
        "transformations", "", "robustness: families of them, as jpeg,webp,resize; empty: all."
    )
    flags.DEFINE_float(
        "target_error", 0.05, "calibrate: share of verdicts other than 'unsure' that may be wrong."
    )
    flags.DEFINE_float(
        "false_positive_rate", 0.01, "calibrate: share of photographs above the threshold reported."
    )


def _define_looking() -> None:
    """Of predict --evidence, localize and report."""
    flags.DEFINE_string(
        "evidence", "", "predict: directory for pictures of what each file was scored by."
    )
    flags.DEFINE_enum(
        "heat_map",
        "auto",
        ["auto", "positions", "occlusion"],
        "predict --evidence, localize: how it is found where the evidence lies.",
    )
    flags.DEFINE_bool("attention", False, "report: also write the weights of the scales in detail.")
    flags.DEFINE_string(
        "sweep", "", "report --attention: runs.csv of a sweep that also left scales out."
    )
    flags.DEFINE_string(
        "families", "", "report --attention: FAMILY:generator,generator;FAMILY:generator,..."
    )
    flags.DEFINE_integer(
        "samples", 10, "evaluate: images of each kind kept for the report.", lower_bound=0
    )
    flags.DEFINE_integer(
        "composites", 50, "localize: pictures of each family and shift.", lower_bound=2
    )


def _define_sweeping() -> None:
    """Of sweep."""
    flags.DEFINE_string(
        "shard", "", "sweep: i/n, every n-th run from number i, which counts from 0 to n - 1."
    )
    flags.DEFINE_integer(
        "side_by_side", 1, "sweep: runs alike but for seed and learning rate trained as one."
    )


def _define_preparing() -> None:
    """Of prepare."""
    flags.DEFINE_string("dataset", "", "prepare: which published data set --source is, see --list.")
    flags.DEFINE_bool("list", False, "prepare: print the catalogue of published data sets.")
    flags.DEFINE_bool(
        "check", False, "prepare: examine --source, write nothing but --output=X.json."
    )
    flags.DEFINE_string(
        "against", "", "prepare --check: prepared sets (A,B) to share no file with."
    )
    flags.DEFINE_string("source", "", "prepare: tree [split/]generator/[class/]{0_real,1_fake}/*.")
    flags.DEFINE_string("photographs", "", "prepare: tree of photographs, with --generated.")
    flags.DEFINE_string("generated", "", "prepare: tree of generated images, with --photographs.")
    flags.DEFINE_string(
        "name", "", "prepare, reconstruct: name of the data set; empty: the source's."
    )
    flags.DEFINE_enum(
        "storage", "encoded", ["encoded", "decoded"], "prepare: files as they are, or pixels."
    )
    flags.DEFINE_integer(
        "image_size",
        None,
        "prepare, reconstruct, localize: pixels, side of decoded images; 0: native.",
    )
    flags.DEFINE_float(
        "max_bad_fraction", 0.05, "prepare: stop if more of the files are unreadable."
    )


def _define_diffusion() -> None:
    """Of reconstruct."""
    flags.DEFINE_string(
        "noise_predictor", "", "reconstruct: file of a noise predictor, or the run that made it."
    )
    flags.DEFINE_integer("ddim_steps", 20, "reconstruct: of the inversion, and as many back.")


def _define_export() -> None:
    """Of export."""
    flags.DEFINE_string("format", "", "export: onnx, stablehlo or web; web writes a folder.")
    flags.DEFINE_string(
        "web_packages",
        "",
        "export --format=web: folder with the packages that `npm pack` wrote; empty: npm fetches.",
    )


def _define_serving() -> None:
    """Of serve."""
    flags.DEFINE_string("host", "127.0.0.1", "serve: name or address to listen on.")
    flags.DEFINE_integer("port", 7860, "serve: 0 for any that is free.")
    flags.DEFINE_float("max_megabytes", 30, "serve: of one file.")
    flags.DEFINE_float("max_megapixels", 40, "serve: of one picture.")
    flags.DEFINE_integer("max_files", 200, "serve: in one request.")
    flags.DEFINE_float("max_zip_megabytes", 300, "serve: of a request, its zip files expanded.")
    flags.DEFINE_float("max_seconds", 60, "serve: of work on one picture.")
    flags.DEFINE_integer("max_waiting", 16, "serve: requests that may wait; more are refused.")
