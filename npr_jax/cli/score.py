"""``predict``, ``serve``, ``export``: a detector for pictures of one's own, here or elsewhere."""

import dataclasses
import sys
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import (
    Command,
    check_directory,
    choice,
    integer,
    number,
    pixels_of,
    switch,
    text,
)
from npr_jax.cli.detector_flags import (
    engine_flag,
    flags_of_detector,
    heat_map_flag,
    load_one_detector,
    load_to_score,
    precision_flag,
    resize_flag,
)
from npr_jax.cli.predict_ray import RAY, RAY_FLAGS, check_ray_flags, predict_by_ray

_OF_EXAMPLES = (
    "the examples are simulations, named for what they are: they show what this command does, not "
    "how well. The bundled detector learned from real pictures and may miss simulated ones; what "
    "counts are your own: predict my_pictures/"
)


def _predict(flags: Any, words: list[str]) -> int:
    from npr_jax.cli import host
    from npr_jax.cli.predict import predict_files
    from npr_jax.cli.stopping import terminable

    if flags.trust_list and not flags.provenance:
        raise UserError("--trust_list is of --provenance; give both")
    trust_list = _trust_list(flags) if flags.provenance else None
    if not words and not flags.examples:
        raise UserError("predict needs image files or folders: predict PATH...")
    check_directory("examples", flags.examples)
    check_ray_flags(flags)
    if flags.engine == RAY:
        one = load_one_detector("predict --engine=ray", flags)
        _accept_pixels(one, flags.max_megapixels)
        return predict_by_ray(one, flags, words)
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    detector = load_to_score(flags, network=bool(flags.maps or flags.evidence))
    _accept_pixels(detector, flags.max_megapixels)
    if flags.examples:
        from input_pipeline.simulation.examples import write_examples

        words = [*words, *map(str, write_examples(flags.examples))]
    with terminable():
        status = predict_files(
            detector,
            words,
            flags.output,
            confidence=flags.confidence,
            maps=flags.maps,
            evidence=flags.evidence,
            heat_map=flags.heat_map,
            provenance=trust_list,
            excel=flags.excel,
            format=flags.format,
            resume=flags.resume,
            command=sys.orig_argv,
        )
    if flags.examples:
        print(_OF_EXAMPLES, file=sys.stderr)
    return status


def _trust_list(flags: Any) -> Any:
    """Whose signatures under Content Credentials count."""
    from input_pipeline.provenance.credentials import can_verify
    from input_pipeline.provenance.trust_lists import official_trust_list, read_trust_list

    if not flags.trust_list:
        return official_trust_list()
    if not can_verify():
        raise UserError("--trust_list needs c2pa-python; pip install 'npr-jax[provenance]'")
    return read_trust_list(flags.trust_list)


def _accept_pixels(detector: Any, megapixels: float) -> None:
    most = pixels_of(megapixels)
    for member in detector.members:
        member.preprocessing = dataclasses.replace(member.preprocessing, most_pixels=most)


def _export(flags: Any) -> int:
    from npr_jax.export.formats import Extras, check_output, export_detector

    check_output(flags.format, flags.output)
    for name, of in (("web_packages", "web"), ("card", "detector"), ("eight_bits", "detector")):
        if flags[name].value and flags.format != of:
            raise UserError(f"--{name} is of --format={of}, not of {flags.format}; leave it out")
    detector = load_one_detector("export", flags)
    extras = Extras(flags.web_packages, flags.card, flags.eight_bits)
    for line in export_detector(detector, flags.format, flags.output, extras):
        print(line)
    return 0


def _serve(flags: Any) -> int:
    from npr_jax.cli import host
    from npr_jax.serving.limits import check_installed, limits_of

    check_installed()
    from npr_jax.serving.guards import allowed_hosts

    limits, allowed = limits_of(flags), allowed_hosts(flags.allow_host)
    trust_list = _trust_list(flags)
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    detector = load_one_detector("serve", flags).with_engine(flags.engine)
    from npr_jax.cli.predict import in_one_line
    from npr_jax.serving.server import serve

    print(in_one_line(detector), file=sys.stderr, flush=True)
    serve(
        detector,
        host=flags.host,
        port=flags.port,
        limits=limits,
        allowed=allowed,
        trust_list=trust_list,
    )
    return 0


_TRUST_LIST = text(
    "trust_list",
    "Certificates (PEM) whose signatures under Content Credentials count. Without it: C2PA's list.",
)
_DETECTOR = "[--workdir=RUN | --weights=FILE]"
PREDICT = Command(
    name="predict",
    summary="Score pictures: photograph, generated or unsure, one row for each file.",
    usage=f"{_DETECTOR} PATH... [--resize=native|PIXELS] "
    "[--engine=auto|flax|onnxruntime] [--precision=int8] [--output=FILE [--resume] [--excel]] "
    "[--format=csv|jsonl] [--maps=DIR] [--evidence=DIR [--heat_map=METHOD]] "
    "[--provenance [--trust_list=FILE.pem]] [--examples=DIR] [--confidence=NUMBER] "
    "[--engine=ray --output=FOLDER [--address=ADDRESS]]",
    details="All files below a folder are scored. Left out, and listed, are hidden ones, system "
    "folders and companions of pictures (.txt, .json, Thumbs.db and the like). The exit status is "
    "1 if some could not be scored; their rows say why.",
    examples=(
        "predict my_pictures/ picture.jpg --output=scores.csv",
        "predict my_pictures/ picture.jpg --output=scores.csv --resume",
        "predict my_pictures/ --evidence=evidence",
        "predict my_pictures/ --provenance",
        "predict --workdir=runs/quickstart my_pictures/",
        "predict --weights=NPR.pth picture.jpg",
        "predict --engine=ray s3://bucket/new --output=s3://bucket/scores --address=auto",
    ),
    define=(
        *flags_of_detector(),
        resize_flag(),
        engine_flag(RAY),
        precision_flag(),
        text(
            "output",
            "File to write; called FILE.partial until its last row is known. Without it: standard "
            "output. With --engine=ray: folder of Parquet files, or the URI of one.",
        ),
        choice(
            "format",
            "auto",
            ["auto", "csv", "jsonl"],
            "Format of the rows. auto: JSON Lines if --output ends in .jsonl or .ndjson, else CSV.",
        ),
        switch("resume", "With --output: continue after the rows that a stopped run has left."),
        switch(
            "excel",
            "With --output=FILE.csv: begin with a byte order mark, so that Excel reads UTF-8.",
        ),
        number(
            "confidence",
            None,
            "Verdicts below this probability are 'unsure'. Without it: as calibrated, else 0.75.",
        ),
        number(
            "max_megapixels",
            250,
            "Largest picture, in megapixels; each takes 3 MB of memory or more.",
        ),
        text(
            "examples", "Directory for simulated example pictures, which are made and scored too."
        ),
        text("maps", "New or empty directory for each file's map of positions (.npz)."),
        text(
            "evidence", "New or empty directory for the residual maps and a heat map of each file."
        ),
        switch("provenance", "Add columns for what each file says about where it comes from."),
        _TRUST_LIST,
        heat_map_flag("With --evidence: how the heat map is made."),
        *RAY_FLAGS,
    ),
    run=_predict,
    words="image files and folders",
    advice={
        "data": "name the files and folders themselves; `evaluate` scores prepared data",
        "split": "name the files and folders themselves; `evaluate` scores prepared data",
        "delivery": "files are scored as they are; `evaluate` has deliveries",
    },
)
EXPORT = Command(
    name="export",
    summary="Write a detector as ONNX, StableHLO, a web page, or files to give away.",
    usage=f"{_DETECTOR} --format=onnx|stablehlo|web|detector [--output=FILE_OR_FOLDER] "
    "[--resize=native|PIXELS] [--web_packages=DIR] [--card=FILE.json] [--eight_bits=PICTURES]",
    examples=(
        "export --format=web",
        "export --workdir=runs/quickstart --format=onnx --output=detector.onnx",
        "export --workdir=runs/mine --format=detector --card=facts.json --output=detectors",
    ),
    define=(
        *flags_of_detector(ensembles=False),
        resize_flag(),
        text(
            "format",
            "What to write. onnx and stablehlo are files, web and detector folders.",
        ),
        text("output", "File or folder to write. --format=web alone has a default: site."),
        text(
            "web_packages",
            "With --format=web: folder with the packages that `npm pack` wrote. Without "
            "it: npm fetches them.",
        ),
        text(
            "card",
            "With --format=detector, of a run: JSON with the detector's name and version and "
            "whatever else its card is to say.",
        ),
        text(
            "eight_bits",
            "With --format=detector: a folder of pictures, from which the range of every value "
            "inside the network is taken. It adds the file that `predict --precision=int8` takes.",
        ),
    ),
    run=_export,
)
SERVE = Command(
    name="serve",
    summary="Start a web page and an HTTP API that score pictures.",
    usage=f"{_DETECTOR} [--resize=native|PIXELS] "
    "[--engine=auto|flax|onnxruntime] [--host=NAME] [--port=N] [--allow_host=NAME] "
    "[--trust_list=FILE.pem]",
    examples=("serve", "serve --workdir=runs/quickstart --port=7860"),
    define=(
        *flags_of_detector(ensembles=False),
        resize_flag(),
        engine_flag(),
        text(
            "host", "Name or address to listen on; 0.0.0.0 means all of them.", default="127.0.0.1"
        ),
        text("allow_host", "Other names, comma-separated, under which browsers may reach it."),
        integer("port", 7860, "Port to listen on; 0 takes any that is free."),
        number("max_megabytes", 30, "Largest file, in megabytes."),
        number("max_megapixels", 40, "Largest picture, in megapixels."),
        integer("max_files", 200, "Most files in one request."),
        number("max_zip_megabytes", 300, "Largest request, in megabytes, its zip files expanded."),
        number("max_seconds", 60, "Longest work on one picture, in seconds."),
        _TRUST_LIST,
        integer("max_waiting", 16, "Requests that may wait; more are refused."),
    ),
    run=_serve,
)
