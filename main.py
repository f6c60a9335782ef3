"""The one command line: train, evaluate, predict, prepare and report.

python main.py [train] --config=configs/npr.py --workdir=DIR
python main.py evaluate --workdir=RUN [--data=PREPARED --split=dev]
python main.py predict --workdir=RUN PATH... --output=scores.csv
python main.py prepare --source=FOLDERS --output=PREPARED [--dataset=NAME | --list | --check]
python main.py report --workdir=RUN
"""

import logging as python_logging
import sys
import warnings

from absl import app, flags, logging
from ml_collections import config_flags

from npr_jax import commands

_CONFIG = config_flags.DEFINE_config_file("config", None, "train: the recipe, configs/*.py.")
flags.DEFINE_string("workdir", "", "Directory of the run: checkpoints, curves, report.")
flags.DEFINE_string("coordinator", "", "train: HOST:PORT of process 0, to train as one of several.")
flags.DEFINE_integer("process_id", 0, "train, with --coordinator: number of this process.")
flags.DEFINE_integer("num_processes", 1, "train, with --coordinator: how many there are.")
flags.DEFINE_string("weights", "", "evaluate, predict: published weights instead of a run.")
flags.DEFINE_enum("checkpoint", "best", ["best", "last"], "evaluate, predict: which of a run.")
flags.DEFINE_string(
    "resize", "", "evaluate, predict: native, pixels or protocol; empty: the run's."
)
flags.DEFINE_string("data", "", "evaluate: prepared data sets, A or A,B; empty: the run's own.")
flags.DEFINE_string("split", "", "evaluate: split to score; prepare: name of the only split.")
flags.DEFINE_enum(
    "delivery", "", ["", "clean", "web", "hard"], "evaluate: how test images reached us."
)
flags.DEFINE_string("output", "", "predict: CSV file; prepare: directory; evaluate: directory.")
flags.DEFINE_float("confidence", 0.75, "predict: verdicts below this probability are 'unsure'.")
flags.DEFINE_string("dataset", "", "prepare: which published data set --source is, see --list.")
flags.DEFINE_bool("list", False, "prepare: print the catalogue of published data sets.")
flags.DEFINE_bool("check", False, "prepare: examine --source, write nothing but --output=X.json.")
flags.DEFINE_string("against", "", "prepare --check: prepared sets (A,B) to share no file with.")
flags.DEFINE_string("source", "", "prepare: tree [split/]generator/[class/]{0_real,1_fake}/*.")
flags.DEFINE_string("photographs", "", "prepare: tree of photographs, with --generated.")
flags.DEFINE_string("generated", "", "prepare: tree of generated images, with --photographs.")
flags.DEFINE_string("name", "", "prepare: name of the data set; empty: the source's.")
flags.DEFINE_enum(
    "storage", "encoded", ["encoded", "decoded"], "prepare: files as they are, or pixels."
)
flags.DEFINE_integer("image_size", None, "prepare: pixels, side of decoded images; 0: native.")
flags.DEFINE_float("max_bad_fraction", 0.05, "prepare: stop if more of the files are unreadable.")

USAGE_ERROR = 2


def main(argv: list[str]) -> int:
    """Runs one command; returns its exit status."""
    command, paths = commands.split_command(argv[1:])
    try:
        return commands.run(command, paths, flags.FLAGS, _CONFIG.value)
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
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        print(f"error: {commands.explain(error, argv)}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
