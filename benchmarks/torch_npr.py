"""The NPR detector in PyTorch, written from its description: the peer of our model.

A ResNet-50 cut after its second stage on the nearest-neighbour residual (Tan et al., CVPR 2024,
sections 3.2 and 4.1). Parameters bear torchvision's names, so a state dict of either side fits.
Benchmarks time it beside our model; tests compare numbers with it.
"""

from __future__ import annotations

import torch
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3 (bears the stride), 1x1 expand by four, plus the shortcut."""

    def __init__(self, channels_in: int, width: int, stride: int):
        super().__init__()
        channels_out = 4 * width
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[b, channels_in, h, w]`` to ``[b, 4 * width, h / stride, w / stride]``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


class TorchNPR(nn.Module):
    """1,437,761 parameters; float ``[b, 3, h, w]``, ImageNet-normalised, to logits ``[b]``."""

    def __init__(self, factor: float = 0.5):
        super().__init__()
        self.factor = factor
        self.conv1 = nn.Conv2d(3, 64, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = self._stage(64, 64, blocks=3, stride=1)
        self.layer2 = self._stage(256, 128, blocks=4, stride=2)
        self.fc1 = nn.Linear(512, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(channels_in: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        first = Bottleneck(channels_in, width, stride)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """``x - U(D(x))`` with nearest neighbours, U back to the size of x."""
        small = nn.functional.interpolate(x, scale_factor=self.factor, mode="nearest")
        return x - nn.functional.interpolate(small, size=x.shape[-2:], mode="nearest")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``[b]``; positive means generated."""
        x = self.residual(x) * (2.0 / 3.0)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc1(x.mean((2, 3)))[:, 0]


class Normalize(nn.Module):
    """uint8 ``[b, 3, h, w]`` to float32 with ImageNet's mean and standard deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the network gets."""
        return (images.float() / 255 - self.mean) / self.std


def normalize(images: torch.Tensor) -> torch.Tensor:
    """``Normalize`` as a function."""
    return Normalize().to(images.device)(images)
