"""Random numbers for a PyTorch twin, as after training, and its arrays for our loaders."""

import copy

import torch


def randomised(twin, seed=0):
    """The twin with seeded weights, and batch statistics that are not 0 and 1.

    A block's last normalisation is small, as a start of training is often made: with unit blocks
    rounding grows from block to block, and at two images of 64 pixels PyTorch's own float32
    gradients are 4e-3 (relative) away from its float64 ones.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in twin.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            low, high = (0.05, 0.15) if name.endswith("bn3") else (0.5, 1.0)
            module.weight.data.uniform_(low, high, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
        elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, fan_in**-0.5, generator=generator)
    return twin


def arrays(twin):
    """The state dict as numpy arrays that later training does not change."""
    return {name: value.numpy() for name, value in copy.deepcopy(twin.state_dict()).items()}
