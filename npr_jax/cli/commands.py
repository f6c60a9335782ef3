"""What each command of ``main.py`` does with its flags."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import ml_collections
from ml_collections import config_flags

from input_pipeline.errors import UserError

if TYPE_CHECKING:
    from input_pipeline.prepare.sources import Source

# Each command imports what it needs: predict must not wait for the training stack.


def split_command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command (``train`` if the first word is none) and the words after it."""
    if arguments and arguments[0] in COMMANDS:
        return arguments[0], arguments[1:]
    return "train", arguments


def run(
    command: str, words: list[str], flags: Any, config: ml_collections.ConfigDict | None
) -> int:
    """Runs a command; returns its exit status.

    Raises:
        ValueError: for flags or paths that cannot be used.
    """
    if words and command != "predict":
        raise UserError(
            f"{command} takes no arguments, got {' '.join(words)!r}; "
            f"commands: {', '.join(COMMANDS)}; options begin with --"
        )
    return COMMANDS[command](words, flags, config)


def explain(error: Exception, arguments: list[str]) -> str:
    """One line for flags that absl could not parse: what was given, what is allowed, the fix."""
    from npr_jax.config import explain_override

    for argument in arguments:
        if problem := explain_override(argument, str(error)):
            return problem
    # A config file's own error arrives with its traceback; the last line says what is wrong.
    lines = [line for line in str(error).splitlines() if line.strip()]
    problem = lines[-1].removeprefix("ValueError: ") if lines else type(error).__name__
    return f"{problem}; see python main.py --help"


def _train(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    import jax

    from npr_jax.analysis.report import build_report
    from npr_jax.cli import host
    from npr_jax.training.processes import join_processes
    from npr_jax.training.train import train_and_evaluate

    config = _recipe("train", flags, config, folder="configs")
    if flags.coordinator:
        join_processes(flags.coordinator, flags.num_processes, flags.process_id)
    host.keep_freed_memory()
    train_and_evaluate(config, flags.workdir)
    if jax.process_index() == 0:
        print(f"report: {build_report(flags.workdir)}")
    return 0


def _noise_predictor(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli import host
    from npr_jax.training.noise_predictor import train_noise_predictor

    config = _recipe("noise_predictor", flags, config, folder="configs/diffusion")
    host.keep_freed_memory()
    print(f"noise predictor: {train_noise_predictor(config, flags.workdir)}")
    return 0


def _reconstruct(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from input_pipeline.storage.prepared_dataset import PreparedDataset
    from npr_jax.cli import host
    from npr_jax.models.diffusion.noise_predictor import load_noise_predictor
    from npr_jax.models.diffusion.reconstruct import reconstruct

    for name in ("data", "noise_predictor", "output"):
        if not flags[name].value:
            raise UserError(
                f"reconstruct needs --{name}: reconstruct --data=PREPARED --noise_predictor=FILE "
                "--output=DIR"
            )
    host.use_cores_as_devices()
    predictor = load_noise_predictor(flags.noise_predictor)
    with _progress() as progress:
        written = reconstruct(
            PreparedDataset.load(flags.data),
            predictor,
            flags.output,
            steps=flags.ddim_steps,
            image_size=flags.image_size or 0,
            name=flags.name,
            progress=progress,
        )
    for name, split in written.splits.items():
        print(f"{name}: {split.num_examples} error maps, {split.num_bytes / 1e6:.1f} MB")
    print(f"written to {written.path}")
    return 0


def _sweep(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli import host
    from npr_jax.sweep.execute import run_sweep
    from npr_jax.sweep.grid import parse_shard
    from npr_jax.training.train import Programs, train_side_by_side

    config = _recipe("sweep", flags, config, folder="configs/sweeps")
    if flags.coordinator:
        raise UserError("sweep takes no --coordinator; start it on each machine with --shard=i/n")
    host.keep_freed_memory()
    tally = run_sweep(
        config,
        flags.workdir,
        functools.partial(train_side_by_side, programs=Programs()),
        name=pathlib.Path(config_flags.get_config_filename(flags["config"])).stem,
        shard=parse_shard(flags.shard),
        side_by_side=flags.side_by_side,
    )
    for folder, problem in tally.failed:
        print(f"failed: {folder}: {problem}", file=sys.stderr)
    return 1 if tally.failed else 0


def _recipe(
    command: str, flags: Any, config: ml_collections.ConfigDict | None, *, folder: str
) -> ml_collections.ConfigDict:
    """The config, where there is one and a workdir with it."""
    if config is None:
        raise UserError(f"{command} needs --config={folder}/NAME.py; see the folder {folder}")
    if not isinstance(config, ml_collections.ConfigDict):
        # What ml_collections gives for a missing file fails on first use only.
        path = config_flags.get_config_filename(flags["config"])
        raise UserError(f"--config={path} does not exist; see the folder {folder}")
    if not flags.workdir:
        raise UserError(f"{command} needs --workdir=DIR, a directory for checkpoints and reports")
    return config


def _evaluate(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.analysis.report import build_report
    from npr_jax.cli.opening import open_test
    from npr_jax.evaluation.evaluate import evaluate_run

    opened = open_test("evaluate", flags)
    if evaluate_run(*opened, samples=flags.samples) is not None:
        print(f"report: {build_report(opened[-1])}")
    return 0


def _robustness(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from input_pipeline.images.degradations import transformations
    from npr_jax.analysis.figure_files import write_figure
    from npr_jax.analysis.robustness import figure_of
    from npr_jax.cli.opening import open_test
    from npr_jax.evaluation.robustness import measure_robustness

    chosen = transformations(flags.transformations)
    if flags.delivery:
        raise UserError(
            f"robustness --delivery={flags.delivery}: deliveries are among the transformations; "
            "give --transformations=delivery for them alone"
        )
    opened = open_test("robustness", flags)
    results = measure_robustness(*opened, chosen, chosen=flags.transformations)
    write_figure(opened[-1] / "robustness" / results["name"], figure_of(results))
    return 0


def _calibrate(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.analysis.figure_files import write_figure
    from npr_jax.analysis.reliability import figure_of
    from npr_jax.cli import host
    from npr_jax.cli.opening import workdirs_of
    from npr_jax.detectors.calibration_file import FOLDER
    from npr_jax.evaluation.calibrate import calibrate
    from npr_jax.inference.detector import Detector

    if not flags.workdir or flags.weights:
        raise UserError("calibrate needs --workdir=RUN: a calibration is kept with its checkpoint")
    if len(workdirs_of(flags.workdir)) > 1:
        raise UserError(
            f"calibrate --workdir={flags.workdir}: an ensemble has no checkpoint to keep a "
            "calibration with; calibrate one run"
        )
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    detector = Detector.load(flags.workdir, checkpoint=flags.checkpoint, calibrated=False)
    results = calibrate(
        detector,
        pathlib.Path(flags.workdir),
        data=flags.data,
        split=flags.split,
        target_error=flags.target_error,
        false_positive_rate=flags.false_positive_rate,
    )
    folder = pathlib.Path(flags.workdir) / FOLDER
    write_figure(folder, figure_of(results, str(results["checkpoint"]["step"])))
    return 0


def _predict(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.analysis.evidence import write_evidence
    from npr_jax.cli import host
    from npr_jax.cli.opening import load_detector, resize_of
    from npr_jax.inference.predict import predict_files

    if not words:
        raise UserError("predict needs image files or folders: predict --workdir=RUN PATH...")
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    detector = load_detector(
        flags.workdir, flags.weights, checkpoint=flags.checkpoint, resize=resize_of(flags.resize)
    )
    return predict_files(
        detector,
        words,
        flags.output,
        confidence=flags.confidence,
        maps=flags.maps,
        evidence=flags.evidence,
        write_evidence=write_evidence,
        heat_map=flags.heat_map,
    )


def _localize(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli import host
    from npr_jax.evaluation.localization import FOLDER, format_rows, localize
    from npr_jax.inference.detector import Detector

    if not flags.workdir:
        raise UserError("localize needs --workdir=DIR, a run")
    host.use_cores_as_devices()
    detector = Detector.load(flags.workdir, checkpoint=flags.checkpoint)
    results = localize(
        detector,
        pathlib.Path(flags.workdir),
        count=flags.composites,
        size=flags.image_size or 128,
        method=flags.heat_map,
    )
    print(format_rows(results))
    print(f"written to {pathlib.Path(flags.workdir) / FOLDER}")
    return 0


def _prepare(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from input_pipeline.prepare.catalog_listing import format_catalog
    from input_pipeline.prepare.prepare import prepare
    from input_pipeline.prepare.sources import find_source

    if flags.list:
        print(format_catalog())
        return 0
    if not (flags.check or flags.output):
        raise UserError("prepare needs --output=DIR, a directory that does not exist yet")
    source = find_source(
        flags.source or None,
        dataset=flags.dataset,
        split=flags.split,
        photographs=flags.photographs or None,
        generated=flags.generated or None,
    )
    if flags.check:
        return _check(source, flags.against, flags.output)
    if flags.image_size is not None and flags.storage == "encoded":
        raise UserError(
            f"--image_size={flags.image_size} is for --storage=decoded; files keep their own size"
        )
    with _progress() as progress:
        summary = prepare(
            source,
            flags.output,
            progress=progress,
            name=flags.name,
            storage=flags.storage,
            image_size=flags.image_size,
            max_bad_fraction=flags.max_bad_fraction,
        )
    print(summary)
    return 0


def _check(source: Source, against: str, output: str) -> int:
    """Prints what is wrong with a source; 1 if anything is, a leak of metadata aside."""
    from input_pipeline.prepare.check import check_source
    from input_pipeline.storage.atomic_files import write_json
    from input_pipeline.storage.path_lists import split_paths
    from input_pipeline.storage.prepared_dataset import PreparedDataset

    target = pathlib.Path(output)
    if output and (target.is_dir() or not target.parent.is_dir()):
        raise UserError(f"--output={output}: with --check, give a file in a directory that exists")
    datasets = [PreparedDataset.load(path) for path in split_paths(against, "--against")]
    with _progress() as progress:
        report = check_source(source, against=datasets, progress=progress)
    print(report)
    if output:
        write_json(target, report.to_json(), sort_keys=True)
    return 1 if report.problems else 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar over files, where somebody watches."""
    from tqdm import tqdm

    with tqdm(unit="file", disable=not sys.stderr.isatty()) as bar:

        def show(seen: int, total: int) -> None:
            bar.total = total
            bar.update(seen - bar.n)

        yield show


def _report(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.analysis.sweep_results import is_sweep
    from npr_jax.cli.opening import workdirs_of
    from npr_jax.cli.report_run import report_runs, report_sweep

    if not flags.workdir:
        raise UserError("report needs --workdir=DIR, a run, a sweep or the --output of evaluate")
    workdirs = workdirs_of(flags.workdir)
    lines = report_sweep(flags) if any(map(is_sweep, workdirs)) else report_runs(workdirs, flags)
    for line in lines:
        print(line)
    return 0


def _export(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli.opening import load_one_detector
    from npr_jax.export.export import check_output, export_detector

    check_output(flags.format, flags.output)
    detector = load_one_detector("export", flags)
    lines = export_detector(detector, flags.format, flags.output, web_packages=flags.web_packages)
    for line in lines:
        print(line)
    return 0


def _serve(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli import host
    from npr_jax.cli.opening import load_one_detector
    from npr_jax.serving.requirements import check_installed, limits_of

    check_installed()
    limits = limits_of(flags)
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    detector = load_one_detector("serve", flags)
    from npr_jax.serving.server import serve

    serve(detector, host=flags.host, port=flags.port, limits=limits)
    return 0


def _list(words: list[str], flags: Any, config: ml_collections.ConfigDict | None) -> int:
    from npr_jax.cli.listing import format_systems

    print(format_systems())
    return 0


Command = Callable[[list[str], Any, ml_collections.ConfigDict | None], int]
COMMANDS: dict[str, Command] = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "prepare": _prepare,
    "robustness": _robustness,
    "calibrate": _calibrate,
    "sweep": _sweep,
    "noise_predictor": _noise_predictor,
    "reconstruct": _reconstruct,
    "report": _report,
    "localize": _localize,
    "export": _export,
    "serve": _serve,
    "list": _list,
}
