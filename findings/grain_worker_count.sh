#!/usr/bin/env bash
# grain: an iterator's state can only be restored with the number of workers that it was saved with.
#
# A good guess: the state of `mp_prefetch` is a position in one sequence, whose order does not depend
# on the number of workers (it does not), so a run can go on with more or fewer of them.
# What happens: the state is a list with each worker's own position. Another number of workers is
# not compared with it: restoring, or the first element after it, ends in an IndexError or a
# KeyError that names neither workers nor checkpoints.
# What it costs: a run cannot go on on a machine with other cores until its owner has guessed why.
# Store the number of workers beside the state and compare it before restoring.
#
# Source: measured; that the order is the same for any number of workers is grain's promise, checked
# here.
# Seen on 2026-11-28 with grain 0.2.18, Python 3.11:
#   saved with 2 workers after 6 of 12; restored with 2: [6, 7, 8, 9, 10, 11]
#   with 1: IndexError: list index out of range
#   with 3: IndexError: list assignment index out of range
#   with 0: KeyError: 'next_index'
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  grain==0.2.18 numpy==2.4.6
cd "$scratch"
cat > workers.py <<'PY'
"""A sequence of twelve numbers, read by some workers up to its middle and by others from there."""
import grain
import numpy as np
from absl import app


def sequence(workers):
    numbers = grain.MapDataset.source(np.arange(12)).to_iter_dataset()
    if workers:
        numbers = numbers.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(numbers)


def outcome(workers, state):
    iterator = sequence(workers)
    try:
        iterator.set_state(state)
        return [int(number) for number in iterator]
    except (IndexError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if workers:
            iterator.close()


def main(_):
    iterator = sequence(2)
    assert [int(next(iterator)) for _ in range(6)] == list(range(6)), "another order now"
    state = iterator.get_state()
    iterator.close()
    found = {workers: outcome(workers, state) for workers in (2, 1, 3, 0)}
    print(f"saved with 2 workers after 6 of 12; restored with 2: {found[2]}", flush=True)
    for workers in (1, 3, 0):
        print(f"with {workers}: {found[workers]}", flush=True)
    assert found[2] == list(range(6, 12)), "the same number of workers: something else now"
    assert all("Error" in str(found[workers]) for workers in (1, 3, 0)), "restored otherwise now"


if __name__ == "__main__":
    app.run(main)
PY
venv/bin/python -W ignore workers.py 2> errors.txt || { cat errors.txt >&2; exit 1; }
