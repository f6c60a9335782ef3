"""The benchmark of derivatives by hand trains with what it says it trains with."""

import pytest

pytest.importorskip("torch", reason="needs the extra benchmark")

from benchmarks import derived
from npr_jax.models import derivatives


def test_a_function_is_left_to_jax_while_the_step_is_compiled_and_no_longer(monkeypatch):
    whole = {name: getattr(derivatives, name) for name in derived.FUNCTIONS}
    seen = {}

    def our_train(dtype, batch, side):
        seen.update({name: getattr(derivatives, name) for name in derived.FUNCTIONS})
        return lambda steps: None

    monkeypatch.setattr(derived, "our_train", our_train)
    derived.seconds_a_step(["relu", "convolution"], batch=2, side=32, rounds=1)
    assert {name for name in seen if seen[name] is not whole[name]} == {"relu", "convolution"}
    assert {name: getattr(derivatives, name) for name in derived.FUNCTIONS} == whole
