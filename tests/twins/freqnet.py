"""FreqNet in PyTorch, written by us from the layer order: literal transforms and shifts.

The names of parameters are those of published checkpoints as far as we know them: ``weight1`` to
``weight4`` and ``bias1`` to ``bias4`` for the 1x1 convolutions between the spectra,
``realconv1`` .. and ``imagconv1`` .. for FCL, torchvision's for the two stages, ``fc1``.
"""

import torch
from torch import nn

from benchmarks.torch_npr import Bottleneck


def without_central_half(x, axes):
    """Transform, zero the central half of all axes together, inverse, real part, ReLU."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(x, dim=axes, norm="ortho"), dim=axes)
    box = [slice(None)] * x.ndim
    for axis in axes:
        middle, quarter = x.shape[axis] // 2, x.shape[axis] // 4
        box[axis] = slice(middle - quarter, middle + quarter)
    keep = torch.ones_like(x)
    keep[tuple(box)] = 0
    spectrum = torch.fft.ifftshift(spectrum * keep, dim=axes)
    return torch.relu(torch.fft.ifftn(spectrum, dim=axes, norm="ortho").real)


def convolved_spectrum(x, real, imaginary):
    """FCL: the two parts of the shifted spectrum through layers of their own."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), dim=(2, 3))
    spectrum = torch.complex(real(spectrum.real), imaginary(spectrum.imag))
    spectrum = torch.fft.ifftshift(spectrum, dim=(2, 3))
    return torch.relu(torch.fft.ifft2(spectrum, norm="ortho").real)


class TorchFreqNet(nn.Module):
    """Float ``[b, 3, h, w]``, ImageNet-normalised, to logits ``[b]``."""

    def __init__(self, width: int = 64):
        super().__init__()
        middle = 4 * width
        self.strides = (1, 2, 1, 2)
        sizes = ((3, width), (width, width), (middle, middle), (middle, middle))
        for index, (channels_in, channels_out) in enumerate(sizes, start=1):
            weight = torch.empty(channels_out, channels_in, 1, 1)
            nn.init.kaiming_normal_(weight, mode="fan_out")
            setattr(self, f"weight{index}", nn.Parameter(weight))
            setattr(self, f"bias{index}", nn.Parameter(0.01 * torch.randn(channels_out)))
            for part in ("real", "imag"):
                layer = nn.Conv2d(channels_out, channels_out, 1, bias=False)
                setattr(self, f"{part}conv{index}", layer)
        self.layer1 = self.stage(width, width, 3, 1)
        self.layer2 = self.stage(middle, 2 * width, 4, 2)
        self.fc1 = nn.Linear(2 * middle, 1)

    @staticmethod
    def stage(channels_in, width, blocks, stride):
        first = Bottleneck(channels_in, width, stride)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))

    def between(self, x, index):
        """hfWH, 1x1 convolution, for the first two hfC, FCL."""
        x = without_central_half(x, (2, 3))
        weight, bias = getattr(self, f"weight{index}"), getattr(self, f"bias{index}")
        stride = self.strides[index - 1]
        x = torch.relu(nn.functional.conv2d(x, weight, bias, stride=stride))
        if index <= 2:
            x = without_central_half(x, (1,))
        layers = getattr(self, f"realconv{index}"), getattr(self, f"imagconv{index}")
        return convolved_spectrum(x, *layers)

    def forward(self, x):
        x = self.between(self.between(x, 1), 2)
        x = self.layer1(nn.functional.max_pool2d(x, 3, 2, padding=1))
        x = self.layer2(self.between(self.between(x, 3), 4))
        return self.fc1(x.mean((2, 3)))[:, 0]
