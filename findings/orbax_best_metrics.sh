#!/usr/bin/env bash
# Orbax: a preservation policy that keeps the best checkpoint forgets it in the next process.
#
# A good guess: `save(step, metrics=...)` stores the metrics, so a manager with the policy `BestN`
# keeps the best checkpoint also after a restart; the policy brings its own `get_metric_fn`, and the
# older option `best_fn` is not needed beside it.
# What happens: within a process all is well. Metrics go to disk only where `best_fn` is set;
# without it the next process sees a best checkpoint without metrics, and the first save deletes it.
# What it costs: a resumed training loses its best checkpoint, silently.
# What helps: give `best_fn` as well, with the same function.
#
# Source: measured.
# Seen on 2026-11-28 with orbax-checkpoint 0.12.8, jax 0.10.2, Python 3.11:
#   without best_fn: [2, 3], after a restart and one more save [4]
#   with best_fn: [2, 3], after a restart and one more save [2, 4]
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2
cd "$scratch"
cat > save.py <<'PY'
"""Saves checkpoints with their scores, and prints which steps are there after that."""
import json
import logging
import pathlib
import sys

import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as managers

logging.disable(logging.WARNING)
name, scores = sys.argv[1], json.loads(sys.argv[2])


def score(metrics):
    return metrics["auc"]


best = managers.BestN(n=1, get_metric_fn=score, keep_checkpoints_without_metrics=False)
policy = managers.AnyPreservationPolicy([managers.LatestN(n=1), best])
options = ocp.CheckpointManagerOptions(
    preservation_policy=policy, best_fn=score if name == "with" else None
)
with ocp.CheckpointManager(pathlib.Path(name).absolute(), options=options) as manager:
    for step, auc in scores.items():
        args = ocp.args.StandardSave({"w": jnp.zeros(3)})
        manager.save(int(step), args=args, metrics={"auc": auc})
    manager.wait_until_finished()
    print(manager.all_steps())
PY
export JAX_PLATFORMS=cpu
status=0
for name in without with; do
  first=$(venv/bin/python -W ignore save.py $name '{"1": 0.5, "2": 0.9, "3": 0.6}')
  second=$(venv/bin/python -W ignore save.py $name '{"4": 0.7}')
  echo "$name best_fn: $first, after a restart and one more save $second"
  [ "$name: $first $second" = "without: [2, 3] [4]" ] ||
    [ "$name: $first $second" = "with: [2, 3] [2, 4]" ] || status=1
done
[ $status = 0 ] || echo "Orbax keeps other checkpoints now" >&2
exit $status
