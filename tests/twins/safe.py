"""SAFE in PyTorch, written by us: PyWavelets' HH band, the cut ResNet-50, two logits.

A published checkpoint's names are, as far as we know them, torchvision's with the head ``fc1``:
those of NPR, whose code SAFE builds on; the head has two rows.
"""

import numpy as np
import pywt
import torch
from torch import nn

from benchmarks.torch_npr import TorchNPR


def wavelet_band(pixels: np.ndarray) -> torch.Tensor:
    """uint8 ``[b, h, w, 3]`` to the HH band ``[b, 3, h, w]`` of pixels over 255, resized."""
    images = pixels.transpose(0, 3, 1, 2).astype(np.float64) / 255
    _, (_, _, band) = pywt.dwt2(images, "bior1.3", mode="symmetric", axes=(2, 3))
    band = torch.from_numpy(band.astype(np.float32))
    return nn.functional.interpolate(band, pixels.shape[1:3], mode="bilinear", align_corners=False)


class TorchSAFE(TorchNPR):
    """The band ``[b, 3, h, w]`` to logits ``[b, 2]``: photograph, generated."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(512, 2)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc1(self.layer2(self.layer1(x)).mean((2, 3)))
