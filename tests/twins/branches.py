"""Residual branches and their fusion by torch functions, on the numbers of our models."""

import numpy as np
import torch
from flax import nnx
from torch.nn import functional

from benchmarks.torch_npr import normalize


class Numbers:
    """A model's variables by dotted name, and the layers that use them."""

    def __init__(self, model):
        self.by_name = {
            ".".join(map(str, path)): torch.from_numpy(np.array(variable.get_value()))
            for path, variable in nnx.to_flat_state(nnx.state(model))
        }

    def convolution(self, x, name, stride=1):
        kernel = self.by_name[f"{name}.kernel"]
        kernel = kernel[None, None] if kernel.ndim == 2 else kernel
        padding = kernel.shape[0] // 2
        return functional.conv2d(x, kernel.permute(3, 2, 0, 1), stride=stride, padding=padding)

    def norm(self, x, name):
        statistics = [self.by_name[f"{name}.{leaf}"] for leaf in ("mean", "var", "scale", "bias")]
        return functional.batch_norm(x, *statistics)

    def block(self, x, name, stride):
        y = functional.relu(self.norm(self.convolution(x, f"{name}.conv1", stride), f"{name}.bn1"))
        y = self.norm(self.convolution(y, f"{name}.conv2"), f"{name}.bn2")
        if f"{name}.projection.conv.kernel" in self.by_name:
            x = self.convolution(x, f"{name}.projection.conv", stride)
            x = self.norm(x, f"{name}.projection.bn")
        return functional.relu(x + y)

    def linear(self, x, name):
        return x @ self.by_name[f"{name}.kernel"] + self.by_name[f"{name}.bias"]

    def light_resnet(self, x, name):
        """The map ``[b, 128, h, w]`` of a ResNet of two stages of two basic blocks."""
        y = functional.relu(self.norm(self.convolution(x, f"{name}.conv1", 2), f"{name}.bn1"))
        y = functional.max_pool2d(y, 3, 2, padding=1)
        for stage in (0, 1):
            for place in (0, 1):
                stride = 2 if (stage, place) == (1, 0) else 1
                y = self.block(y, f"{name}.stages.{stage}.{place}", stride)
        return y


def residuals(pixels, factors):
    """NPR residuals ``[b, 3, h, w]`` of uint8 ``[b, h, w, 3]`` by torch's nearest resize."""
    x = normalize(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    views = []
    for factor in factors:
        small = [int(n * factor) for n in x.shape[2:]]
        reference = functional.interpolate(functional.interpolate(x, small), x.shape[2:])
        views.append((x - reference) * 2 / 3)
    return views


def branch_maps(numbers, pixels, factors):
    """A map per factor; branch 0 serves all where there is no other."""
    shared = "branches.1.conv1.kernel" not in numbers.by_name
    return [
        numbers.light_resnet(view, f"branches.{0 if shared else index}")
        for index, view in enumerate(residuals(pixels, factors))
    ]


def attention(numbers, pixels, factors):
    """Logits and weights of softmax attention per image."""
    features = [m.mean((2, 3)) for m in branch_maps(numbers, pixels, factors)]
    hidden = functional.relu(numbers.linear(torch.cat(features, 1), "attention_hidden"))
    weights = numbers.linear(hidden, "attention_out").softmax(1)
    mixed = sum(w[:, None] * f for w, f in zip(weights.T, features, strict=True))
    return numbers.linear(mixed, "classifier")[:, 0].numpy(), weights.numpy()


def stack(numbers, pixels, factors):
    """Logits of one network on all residuals as channels."""
    features = numbers.light_resnet(torch.cat(residuals(pixels, factors), 1), "backbone")
    return numbers.linear(features.mean((2, 3)), "classifier")[:, 0].numpy(), None


def mean(numbers, pixels, factors, scale_weights=None):
    """Logits of the branches' (weighted) mean feature."""
    maps = branch_maps(numbers, pixels, factors)
    weights = [1 / len(maps)] * len(maps) if scale_weights is None else scale_weights
    mixed = sum(w * m for w, m in zip(weights, maps, strict=True)).mean((2, 3))
    return numbers.linear(mixed, "classifier")[:, 0].numpy(), None


def concatenation(numbers, pixels, factors):
    """Logits of the branches' features side by side."""
    features = torch.cat(branch_maps(numbers, pixels, factors), 1).mean((2, 3))
    return numbers.linear(features, "classifier")[:, 0].numpy(), None


def spatial(numbers, pixels, factors):
    """Logits, and mean weights, of softmax attention at each position."""
    maps = branch_maps(numbers, pixels, factors)
    together = torch.cat(maps, 1).permute(0, 2, 3, 1)
    hidden = functional.relu(numbers.linear(together, "attention_hidden"))
    weights = numbers.linear(hidden, "attention_out").softmax(-1)
    mixed = sum(weights[..., i, None] * m.permute(0, 2, 3, 1) for i, m in enumerate(maps))
    logits = numbers.linear(mixed.mean((1, 2)), "classifier")[:, 0]
    return logits.numpy(), weights.mean((1, 2)).numpy()


def cross(numbers, pixels, factors, heads):
    """Logits, and weights of the scales, of attention between scales and spectrum."""
    features = [m.mean((2, 3)) for m in branch_maps(numbers, pixels, factors)]
    scales = numbers.linear(torch.stack(features, 1), "scale_tokens")
    scales = scales + numbers.by_name["scale_places"]
    spectrum = numbers.linear(mean_spectrum(pixels), "frequency_tokens")
    spectrum = spectrum + numbers.by_name["frequency_places"]
    normal_scales = _layer_norm(numbers, scales, "scale_norm")
    normal_spectrum = _layer_norm(numbers, spectrum, "frequency_norm")
    answers, _ = _attend(numbers, "scales_ask", normal_scales, normal_spectrum, heads)
    replies, weights = _attend(numbers, "frequencies_ask", normal_spectrum, normal_scales, heads)
    both = torch.cat([(scales + answers).mean(1), (spectrum + replies).mean(1)], 1)
    logits = numbers.linear(both, "classifier")[:, 0]
    return logits.detach().numpy(), weights.mean(1).detach().numpy()


def mean_spectrum(pixels):
    """Mean log amplitudes ``[b, 17, 32]`` of Hann windows, in float64."""
    grey = torch.from_numpy(pixels).double() @ torch.tensor([0.299, 0.587, 0.114]).double()
    windows = grey.unfold(1, 32, 16).unfold(2, 32, 16)
    hann = torch.hann_window(32, periodic=True, dtype=torch.float64)
    amplitudes = torch.fft.rfft2(windows * hann[:, None] * hann).abs()
    return torch.log1p(amplitudes).mean((1, 2)).transpose(1, 2).float()


def _layer_norm(numbers, x, name):
    scale, bias = numbers.by_name[f"{name}.scale"], numbers.by_name[f"{name}.bias"]
    return functional.layer_norm(x, x.shape[-1:], scale, bias, eps=1e-5)


def _attend(numbers, name, asking, asked, heads):
    """torch's own multi-head attention with the model's numbers."""
    module = torch.nn.MultiheadAttention(asking.shape[-1], heads, batch_first=True)
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.cat([numbers.by_name[f"{p}.kernel"].T for p in parts]))
        module.in_proj_bias.copy_(torch.cat([numbers.by_name[f"{p}.bias"] for p in parts]))
        module.out_proj.weight.copy_(numbers.by_name[f"{name}.out.kernel"].T)
        module.out_proj.bias.copy_(numbers.by_name[f"{name}.out.bias"])
        return module(asking, asked, asked)
