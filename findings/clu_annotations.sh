#!/usr/bin/env bash
# clu: `from __future__ import annotations` breaks a metrics Collection, at its first use.
#
# A good guess: postponed annotations are a matter of style; dataclasses, and flax's with them, work
# the same with and without, and so does a `clu.metrics.Collection`, which is one.
# What happens: the class is defined without complaint. Collection takes the metric classes from the
# raw annotations, which are strings then, and the first step fails on an attribute of `str`.
#
# Source: measured; clu's documentation does not speak of it.
# Seen on 2026-11-28 with clu 0.0.12, flax 0.12.8, jax 0.10.2, Python 3.11:
#   annotations as they are: {'loss': 2.0}
#   postponed: AttributeError: 'str' object has no attribute 'from_model_output'
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" --disable-pip-version-check install --quiet --no-compile \
  clu==0.0.12 flax==0.12.8 jax==0.10.2 jaxlib==0.10.2
cd "$scratch"
JAX_PLATFORMS=cpu venv/bin/python -I -W ignore - <<'PY'
SOURCE = """
import flax
from clu import metrics


@flax.struct.dataclass
class Metrics(metrics.Collection):
    loss: metrics.Average.from_output("loss")


found = Metrics.single_from_model_output(loss=2.0).compute()
"""


def outcome(source):
    names = {"__name__": "metrics_of_a_step"}
    try:
        exec(compile(source, "source", "exec", dont_inherit=True), names)
    except AttributeError as error:
        return f"AttributeError: {error}"
    return {name: float(value) for name, value in names["found"].items()}


plain = outcome(SOURCE)
postponed = outcome("from __future__ import annotations\n" + SOURCE)
print(f"annotations as they are: {plain}")
print(f"postponed: {postponed}")

assert plain == {"loss": 2.0}, "the plain class no longer works"
assert "'str' object" in str(postponed), "clu resolves postponed annotations now"
PY
