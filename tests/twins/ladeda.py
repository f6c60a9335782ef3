"""LaDeDa in PyTorch, written for this project from the paper's facts and BagNet's key names.

Cavia et al., 2024: the residual of NPR, then a ResNet-50 whose outputs see 9x9 pixels.
"""

import torch
from torch import nn

from tests.twins.resnet50 import normalised


class PatchBlock(nn.Module):
    """1x1, 3x3 or 1x1 without padding, 1x1; the shortcut is cropped from the top left."""

    def __init__(self, channels_in, channels, stride, size):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, size, stride, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = None
        if stride != 1 or channels_in != 4 * channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, 4 * channels, 1, stride, bias=False),
                nn.BatchNorm2d(4 * channels),
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut[:, :, : y.shape[2], : y.shape[3]])


class LaDeDa(nn.Module):
    """Residuals ``[b, 3, h, w]`` to logits ``[b]``; ``patches`` keeps one per patch."""

    def __init__(self, width=64, channels=(64, 128, 256, 512), blocks=(3, 4, 6, 3)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width, momentum=0.001)
        strides, sizes = (2, 2, 2, 1), (3, 3, 1, 1)
        stages = zip(channels, blocks, strides, sizes, strict=True)
        for number, (channels, blocks, stride, first_size) in enumerate(stages, 1):
            stage = []
            for index in range(blocks):
                size = first_size if index == 0 else 1
                stage.append(PatchBlock(width, channels, stride if index == 0 else 1, size))
                width = 4 * channels
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.fc = nn.Linear(width, 1)

    def patches(self, x):
        """Logits ``[b, h', w']`` of the patches."""
        x = torch.relu(self.bn1(self.conv2(self.conv1(x))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.permute(0, 2, 3, 1))[..., 0]

    def forward(self, x):
        return self.patches(x).mean((1, 2))


def residual(images):
    """NPR at factor 0.5, times 2/3, of uint8 ``[b, h, w, 3]``: float32 ``[b, 3, h, w]``."""
    x = normalised(images)
    h, w = x.shape[2:]
    small = nn.functional.interpolate(x, size=(h // 2, w // 2), mode="nearest")
    return (x - nn.functional.interpolate(small, size=(h, w), mode="nearest")) * 2 / 3
