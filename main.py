"""The one command line; each command in a line of its own.

python main.py [train] --config=configs/npr.py --workdir=DIR
python main.py evaluate --workdir=RUN [--data=PREPARED --split=dev]
python main.py predict --workdir=RUN PATH... --output=scores.csv
python main.py prepare --source=FOLDERS --output=PREPARED [--dataset=NAME | --list | --check]
python main.py robustness --workdir=RUN [--transformations=jpeg,webp]
python main.py calibrate --workdir=RUN [--target_error=0.05 --false_positive_rate=0.01]
python main.py sweep --config=configs/sweeps/scales.py --workdir=DIR [--shard=0/4]
python main.py noise_predictor --config=configs/diffusion/noise_predictor.py --workdir=DIR
python main.py reconstruct --data=PREPARED --noise_predictor=FILE --output=PREPARED
python main.py report --workdir=RUN_OR_SWEEP [--baseline=RUN_OR_VARIANT] [--attention]
python main.py localize --workdir=RUN
python main.py export --workdir=RUN --format=onnx --output=detector.onnx
python main.py serve --workdir=RUN [--port=7860]
python main.py list
"""

import logging as python_logging
import sys
import warnings

from absl import app, logging
from absl.flags import FLAGS, Error, adopt_module_key_flags

from npr_jax.cli import commands, flags

_CONFIG = flags.define()
adopt_module_key_flags(flags)  # --help then shows them

USAGE_ERROR = 2


def main(argv: list[str]) -> int:
    """Runs one command; returns its exit status."""
    command, paths = commands.split_command(argv[1:])
    try:
        return commands.run(command, paths, FLAGS, _CONFIG.value)
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR if isinstance(error, ValueError) else 1


def parse(argv: list[str]) -> list[str]:
    """absl's parser, with one line and exit status 2 for a flag that cannot be used."""
    # What our own modules say is for the user; what libraries log at that level is not.
    logging.set_verbosity(logging.WARNING)
    python_logging.getLogger("npr_jax").setLevel(python_logging.INFO)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    if {"--help", "-help", "-h"} & set(argv[1:]):
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.exit(0)  # absl's own would be 1
    try:
        return FLAGS(argv)
    except (Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        print(f"error: {commands.explain(error, argv)}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
