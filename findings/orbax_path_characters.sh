#!/usr/bin/env bash
# Orbax: a checkpoint below a folder named `run[1]` or `a\b` is written and can never be read.
#
# A good guess: a folder that Orbax could create and write a checkpoint to can be read back; the
# names are valid on Linux, and `run[1]` is what some downloads and sweeps make.
# What happens: saving ends without an error and the manager lists the step as complete, but
# restoring says that the array's metadata does not exist. With brackets, the last stage of saving
# looks for its own files by a pattern, in which brackets are special, finds none and leaves them
# unmerged (it logs a warning). With a backslash, TensorStore takes it for a slash: the arrays go to
# the folder `a/b` beside, and never come back.
# What it costs: a training that saves to its end and has nothing to show for it.
#
# Source: measured; of 23 unusual names these two failed.
# Seen on 2026-11-28 with orbax-checkpoint 0.12.8, tensorstore 0.1.86, jax 0.10.2, Python 3.11,
# Linux:
#   'plain': steps [1], restored [0.0, 1.0, 2.0]
#   'run[1]': steps [1], ValueError: NOT_FOUND
#   'a\\b': steps [1], ValueError: NOT_FOUND
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  orbax-checkpoint==0.12.8 tensorstore==0.1.86 jax==0.10.2 jaxlib==0.10.2
cd "$scratch"
JAX_PLATFORMS=cpu venv/bin/python -I -W ignore - <<'PY'
import logging
import pathlib

import jax.numpy as jnp
import orbax.checkpoint as ocp

logging.disable(logging.WARNING)


def attempt(name):
    """What a second manager, as of a later process, gets of what the first has saved."""
    folder = pathlib.Path(name).absolute()
    with ocp.CheckpointManager(folder) as manager:
        manager.save(1, args=ocp.args.StandardSave({"w": jnp.arange(3.0)}))
    with ocp.CheckpointManager(folder) as manager:
        steps = manager.all_steps()
        try:
            restored = manager.restore(1, args=ocp.args.StandardRestore())
            outcome = f"restored {restored['w'].tolist()}"
        except ValueError as error:
            outcome = f"ValueError: {str(error).split(':')[0]}"
    print(f"{name!r}: steps {steps}, {outcome}")
    return steps, outcome


assert attempt("plain") == ([1], "restored [0.0, 1.0, 2.0]")
for name in ("run[1]", "a\\b"):
    assert attempt(name) == ([1], "ValueError: NOT_FOUND"), "Orbax treats this name otherwise now"
PY
