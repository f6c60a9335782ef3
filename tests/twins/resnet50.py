"""ResNet-50 in PyTorch under torchvision's names, with the head of CNNDetection.

Written for this project from the facts of He et al. (CVPR 2016) and torchvision's documented
layout: stride on the 3x3 convolutions, no biases before normalisation.
"""

import torch
from torch import nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Block(nn.Module):
    """1x1, 3x3, 1x1 with four times the channels, and the shortcut."""

    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
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
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Normalised pixels ``[b, 3, h, w]`` to ``[b, outputs]``."""

    def __init__(self, outputs=1, width=64, stages=((64, 3), (128, 4), (256, 6), (512, 3))):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = len(stages)
        for number, (channels, blocks) in enumerate(stages, 1):
            stage = []
            for index in range(blocks):
                stage.append(Block(width, channels, 2 if number > 1 and index == 0 else 1))
                width = 4 * channels
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.fc = nn.Linear(width, outputs)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(x.mean((2, 3)))


def normalised(images):
    """uint8 ``[b, h, w, 3]`` to ImageNet's mean and deviation, float32 ``[b, 3, h, w]``."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
