"""The commands, in the order in which they are listed."""

from npr_jax.cli.command import Command
from npr_jax.cli.data import PREPARE, RECONSTRUCT
from npr_jax.cli.evaluate import CALIBRATE, EVALUATE, LOCALIZE, ROBUSTNESS
from npr_jax.cli.report import REPORT
from npr_jax.cli.score import EXPORT, PREDICT, SERVE
from npr_jax.cli.sweep import SWEEP
from npr_jax.cli.train import LIST, NOISE_PREDICTOR, TRAIN

_ALL = (
    TRAIN,
    EVALUATE,
    PREDICT,
    PREPARE,
    ROBUSTNESS,
    CALIBRATE,
    SWEEP,
    NOISE_PREDICTOR,
    RECONSTRUCT,
    REPORT,
    LOCALIZE,
    EXPORT,
    SERVE,
    LIST,
)
COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
