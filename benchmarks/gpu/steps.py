"""What is measured on a GPU, in the order of what matters most, and how long each step may take."""

from __future__ import annotations

import dataclasses

# Programs are compiled anew, as a user's are, not read from those that other steps compiled.
FRESH = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


@dataclasses.dataclass(frozen=True)
class Step:
    """One process: Python's arguments, and others in the rehearsal on a CPU.

    ``{scratch}`` in them is a folder that the steps share; ``--json=FILE`` is added.
    """

    name: str
    limit: float  # seconds
    command: tuple[str, ...]
    rehearsal: tuple[str, ...]  # appended: of two values of an option the later one counts
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def _step(*options: str) -> tuple[str, ...]:
    return ("benchmarks/step.py", "--rounds=4", "--steps=20", *options)


_TRAIN = ("--work", "train", "--peer-mode=reduce-overhead")
_PREDICT = ("--work", "predict", "--predict-side=224", "--peer-mode=reduce-overhead")
# bfloat16 as on a GPU, and PyTorch as it is written: compiling it takes a minute of a processor.
_SMALL = (
    *("--rounds=1", "--steps=2", "--batch=2", "--train-side=32", "--predict-side=32"),
    *("--dtype=bfloat16", "--peer-mode=eager"),
)
# One branch, three in turn, three as one computation.
_BRANCHES = ("--backbone", "light_resnet", "--branches", "batched")
_DATA = "--data={scratch}/images"

STEPS = (
    Step("devices", 40, ("-m", "benchmarks.gpu.devices"), ()),
    Step("train 256", 120, _step(*_TRAIN, "--batch=256"), _SMALL),
    Step("agreement", 60, ("-m", "benchmarks.gpu.agreement"), ("--batch=2", "--side=32")),
    Step(
        "feed",
        70,
        ("-m", "benchmarks.gpu.feed", _DATA),
        ("--images=16", "--batch=4", "--crop=32", "--steps=2"),
    ),
    Step("predict 256", 70, _step(*_PREDICT, "--batch=256"), _SMALL),
    Step(
        "train 1024",
        100,
        _step(*_TRAIN, "--batch=1024", "--rounds=3", "--steps=8", "--apart"),
        _SMALL,
    ),
    Step("train 32", 80, _step(*_TRAIN, "--batch=32", "--steps=50"), _SMALL),
    Step(
        "layouts",
        60,
        ("-m", "benchmarks.gpu.layouts"),
        ("--batch=2", "--side=32"),
        FRESH,
    ),
    Step("resume", 90, ("-m", "benchmarks.gpu.resume"), ("--side=32",), FRESH),
    Step(
        "branches",
        80,
        ("benchmarks/branches.py", *_BRANCHES, "--batch=256"),
        ("--batch=2", "--side=32", "--rounds=1"),
    ),
    Step("cores", 80, ("-m", "benchmarks.gpu.cores", _DATA), ("--seconds=0.2",)),
    Step(
        "predict 1024",
        60,
        _step(*_PREDICT, "--batch=1024", "--rounds=3", "--steps=8"),
        _SMALL,
    ),
    Step(
        "train 256, max-autotune",
        200,
        _step(*_TRAIN, "--batch=256", "--peer-mode=max-autotune"),
        (*_SMALL, "--peer-mode=default"),
    ),
)
