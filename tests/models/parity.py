"""What the comparisons of our models with their PyTorch twins share."""

from collections.abc import Callable

import numpy as np
from flax import nnx

Arrays = dict[str, np.ndarray]


def images(n, height, width, seed=0):
    """uint8 ``[n, height, width, 3]`` of noise."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def check_training_step(
    model: nnx.Module, twin, forward: Callable, filled: Callable[[Arrays], nnx.Module], side: int
) -> None:
    """Logits to 1e-4, the norm of each parameter's gradient to 1e-3, each new running mean.

    Args:
        model: ours, with the twin's weights.
        twin: the PyTorch version; as before in the end.
        forward: ``(twin, pixels)`` to its logits ``[b]``, or to those of both classes ``[b, 2]``,
            whose loss is the softmax's.
        filled: our model of arrays with the twin's names.
        side: pixels of the four square images.
    """
    import torch

    from tests.twins import compare

    # Of balanced labels the bias's gradient would be what rounding leaves of nothing.
    pixels, labels = images(4, side, side, seed=1), np.array([0, 1, 1, 1])
    before = compare.state_dict(twin)
    logits, gradients, statistics = compare.training_pass(model, pixels, labels)
    twin.train()
    twin.zero_grad()
    predicted, targets = forward(twin, pixels), torch.from_numpy(labels)
    if predicted.ndim == 2:
        torch.nn.functional.cross_entropy(predicted, targets).backward()
        predicted = predicted[:, 1] - predicted[:, 0]
    else:
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        loss(predicted, targets.float()).backward()
    np.testing.assert_allclose(logits, predicted.detach(), rtol=0, atol=1e-4)
    expected = compare.flat(nnx.state(filled(compare.gradients_as_state(twin))))
    for name, gradient in compare.flat(gradients).items():
        norms = [np.linalg.norm(a) for a in (gradient, expected[name])]
        np.testing.assert_allclose(*norms, rtol=1e-3, err_msg=name)
    for name, statistic in compare.flat(statistics).items():
        if name.endswith("mean"):
            np.testing.assert_allclose(statistic, expected[name], atol=1e-4, err_msg=name)
    twin.load_state_dict({name: torch.from_numpy(a) for name, a in before.items()})
