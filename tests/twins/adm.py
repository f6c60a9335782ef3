"""ADM's U-Net in PyTorch, small enough to read: our own version, with the published names.

Written from the description in the paper (Dhariwal and Nichol, NeurIPS 2021, section 3 and
appendix B) and from the names of the published arrays.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class _Residual(nn.Module):
    def __init__(self, inputs, outputs, time, groups, resample=None):
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, outputs),
            nn.SiLU(),
            nn.Dropout(0.0),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def change(self, x):
        if self.resample == "up":
            return functional.interpolate(x, scale_factor=2, mode="nearest")
        return functional.avg_pool2d(x, 2) if self.resample == "down" else x

    def forward(self, x, time):
        hidden = self.in_layers[2](self.change(self.in_layers[1](self.in_layers[0](x))))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, dim=1)
        hidden = self.out_layers[0](hidden) * (1 + scale) + shift
        return self.skip_connection(self.change(x)) + self.out_layers[1:](hidden)


class _Attention(nn.Module):
    def __init__(self, channels, head, groups):
        super().__init__()
        self.heads = channels // head
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, time):
        flat = x.flatten(2)
        qkv = self.qkv(self.norm(flat))
        results = []
        for one in qkv.chunk(self.heads, dim=1):
            query, key, value = one.chunk(3, dim=1)
            similar = torch.einsum("bcq,bck->bqk", query, key) / math.sqrt(query.shape[1])
            results.append(torch.einsum("bqk,bck->bcq", similar.softmax(-1), value))
        return (flat + self.proj_out(torch.cat(results, dim=1))).reshape(x.shape)


class _Plain(nn.Conv2d):
    def forward(self, x, time):
        return super().forward(x)


class ADM(nn.Module):
    """`attention` holds reductions; names of parameters are those of the published file."""

    def __init__(self, channels, multipliers, blocks, attention, head, groups, outputs):
        super().__init__()
        self.channels = channels
        time = 4 * channels
        self.time_embed = nn.Sequential(nn.Linear(channels, time), nn.SiLU(), nn.Linear(time, time))
        last = len(multipliers) - 1
        now, kept = channels, [channels]
        self.input_blocks = nn.ModuleList([nn.ModuleList([_Plain(3, channels, 3, padding=1)])])
        for level, multiplier in enumerate(multipliers):
            width = multiplier * channels
            for _ in range(blocks):
                layers = [_Residual(now, width, time, groups)]
                if 2**level in attention:
                    layers.append(_Attention(width, head, groups))
                self.input_blocks.append(nn.ModuleList(layers))
                now = width
                kept.append(now)
            if level < last:
                self.input_blocks.append(nn.ModuleList([_Residual(now, now, time, groups, "down")]))
                kept.append(now)
        self.middle_block = nn.ModuleList(
            [
                _Residual(now, now, time, groups),
                _Attention(now, head, groups),
                _Residual(now, now, time, groups),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level in range(last, -1, -1):
            width = multipliers[level] * channels
            for number in range(blocks + 1):
                layers = [_Residual(now + kept.pop(), width, time, groups)]
                if 2**level in attention:
                    layers.append(_Attention(width, head, groups))
                if level > 0 and number == blocks:
                    layers.append(_Residual(width, width, time, groups, "up"))
                self.output_blocks.append(nn.ModuleList(layers))
                now = width
        self.out = nn.Sequential(
            nn.GroupNorm(groups, now), nn.SiLU(), nn.Conv2d(now, outputs, 3, padding=1)
        )

    def forward(self, x, timesteps):
        half = self.channels // 2
        rates = 10000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
        angles = timesteps.float()[:, None] * rates[None]
        time = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=1))
        kept = []
        for block in self.input_blocks:
            for layer in block:
                x = layer(x, time)
            kept.append(x)
        for layer in self.middle_block:
            x = layer(x, time)
        for block in self.output_blocks:
            x = torch.cat([x, kept.pop()], dim=1)
            for layer in block:
                x = layer(x, time)
        return self.out(x)
