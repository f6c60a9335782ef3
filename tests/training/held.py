"""``main.py`` whose training stands still at a step: what a test does meanwhile it cannot outrun.

    python -m tests.training.held FILE STEP TURN ARGUMENT ...

While FILE exists, the TURN-th training of this process (counted from 1) goes no further than STEP.
"""

import pathlib
import sys
import time

from npr_jax.cli import main
from npr_jax.training.preemption import Preemption


def hold_training(file: pathlib.Path, step: int, turn: int = 1) -> None:
    """Has the loop wait there, before it evaluates or saves what it has trained."""
    reached, came = Preemption.reached, 0

    def held(self, now):
        nonlocal came
        came += now == step
        while came >= turn and now >= step and file.exists():
            time.sleep(0.01)
        return reached(self, now)

    Preemption.reached = held


if __name__ == "__main__":
    file, step, turn = (sys.argv.pop(1) for _ in range(3))
    hold_training(pathlib.Path(file), int(step), int(turn))
    sys.exit(main.main())
