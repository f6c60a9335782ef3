"""Dead-leaves scenes: linear light before a lens, a pure function of (seed, index).

A scene is built the way the dead-leaves model of natural images builds one: objects with
power-law sizes fall on each other and occlude each other (Lee, Mumford and Huang, 2001), here with
1/f textures, shading, a blurred background plane and a sharp foreground plane, a soft shadow
between them, haze and a coloured light.
"""

import dataclasses
import math

import numpy as np

SUPERSAMPLING = 2  # scene samples per sensor pixel, along each axis
_MAX_LEAVES = 170
_STREAM = 11
_BLOB, _DIAMOND, _BOX, _ELLIPSE = range(4)


@dataclasses.dataclass(frozen=True)
class _Leaves:
    """Per-leaf parameters, row 0 being the ground that every leaf falls on."""

    centre: np.ndarray
    radii: np.ndarray
    angle: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    slope: np.ndarray
    bulge: np.ndarray
    contrast: np.ndarray
    zoom: np.ndarray
    offset: np.ndarray
    stripes: np.ndarray


def render_scene(seed: int, index: int, side: int) -> np.ndarray:
    """Renders scene `index` of a data set's `seed`.

    Returns:
        float32 [side, side, 3], linear red, green, blue radiance in [0, 1.5]; 1 is the level that
        an average exposure maps to white; `SUPERSAMPLING` samples per sensor pixel.
    """
    rng = np.random.default_rng([seed, index, _STREAM])
    fields = _texture_fields(rng, side)
    palette = _palette(rng)
    light = rng.uniform(0, 2 * np.pi)
    smallest = side * np.exp(rng.uniform(np.log(0.016), np.log(0.07)))
    back = _draw_leaves(rng, side, smallest * 1.5, palette, light, _MAX_LEAVES)
    canvas = _paint(_labels(back, fields, side), back, fields, side)
    haze = rng.uniform(0, 0.35) * rng.uniform(0, 1)
    canvas = canvas * (1 - haze) + haze * rng.uniform(0.4, 0.9) * palette.mean(axis=0)
    canvas = blur(canvas, SUPERSAMPLING * rng.choice([0.0, rng.uniform(0.3, 3.0)]))
    if rng.uniform() < 0.85:
        number = int(np.exp(rng.uniform(np.log(1), np.log(_MAX_LEAVES / 3))))
        front = _draw_leaves(rng, side, smallest * rng.uniform(1, 3), palette, light, number)
        canvas = _place_front(rng, canvas, front, fields, side, light)
    return _expose(rng, canvas, side)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with mirrored borders; image float [h, w, c], sigma in samples."""
    if sigma < 0.05:
        return image
    return apply_separable(image, *(gaussian_matrix(length, sigma) for length in image.shape[:2]))


def gaussian_matrix(length: int, sigma: float) -> np.ndarray:
    """Float32 [length, length] matrix of a Gaussian blur with mirrored borders."""
    reach = int(np.ceil(3 * sigma)) + 1
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((length, length), np.float32)
    position = np.arange(length)
    for offset, weight in zip(range(-reach, reach + 1), weights, strict=True):
        source = (position + offset) % (2 * length)
        source = np.where(source >= length, 2 * length - 1 - source, source)
        np.add.at(matrix, (position, source), np.float32(weight))
    return matrix


def apply_separable(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`rows @ image @ columns.T` for every channel of float [h, w, c]; a float32 result."""
    channels = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    return np.moveaxis(rows @ channels @ columns.T, 0, -1).astype(np.float32)


def power_law_radii(
    rng: np.random.Generator, number: int, smallest: float, largest: float
) -> np.ndarray:
    """Radii with density proportional to r**-3 in [smallest, largest]; float64 [number]."""
    low, high = largest**-2.0, smallest**-2.0
    return rng.uniform(low, high, number) ** -0.5


def _texture_fields(rng: np.random.Generator, side: int) -> np.ndarray:
    """Three periodic 1/f fields of zero mean and unit variance; float32 [3, side, side]."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1.0
    fields = []
    for low, high in ((0.7, 1.1), (1.0, 1.5), (1.3, 1.9)):
        white = np.fft.rfft2(rng.standard_normal((side, side)))
        spectrum = white / frequency ** rng.uniform(low, high)
        spectrum[0, 0] = 0
        field = np.fft.irfft2(spectrum, (side, side))
        fields.append(field / field.std())
    return np.asarray(fields, np.float32)


def _palette(rng: np.random.Generator) -> np.ndarray:
    """A few related albedos; float64 [6, 3]. Hue 0 is red, 2 green, 4 blue."""
    earth, foliage, sky = 0.6, 1.5, 3.7
    base = rng.choice([earth, foliage, sky, rng.uniform(0, 2 * np.pi)], p=[0.3, 0.25, 0.2, 0.25])
    hue = base + rng.normal(0, rng.uniform(0.15, 1.2), 6)
    saturation = rng.beta(1.3, 2.2, 6) * rng.uniform(0.1, 0.8)
    luminance = np.exp(rng.uniform(np.log(0.04), np.log(0.85), 6))
    phase = hue[:, None] - np.array([0.0, 2.0944, 4.1888])
    return luminance[:, None] * np.clip(1 + saturation[:, None] * np.cos(phase), 0.03, None)


def _draw_leaves(rng, side, smallest, palette, light, number) -> _Leaves:
    radius = np.concatenate([[side], power_law_radii(rng, number, smallest, 0.6 * side)])
    number += 1
    stretch = np.exp(rng.normal(0, 0.45, number))
    colour = palette[rng.integers(0, len(palette), number)]
    colour = colour * np.exp(rng.normal(0, 0.25, (number, 1)) + rng.normal(0, 0.06, (number, 3)))
    strength = np.abs(rng.normal(0, 0.35, number))
    direction = light + rng.normal(0, 0.3, number)
    striped = rng.uniform(size=number) < 0.12
    return _Leaves(
        centre=rng.uniform(-0.1 * side, 1.1 * side, (number, 2)),
        radii=np.stack([radius * stretch, radius / stretch], axis=1),
        angle=rng.uniform(0, np.pi, number),
        shape=rng.choice(4, number, p=[0.5, 0.1, 0.2, 0.2]),
        colour=colour.astype(np.float32),
        slope=np.stack([np.cos(direction), np.sin(direction)], 1) * strength[:, None],
        bulge=np.abs(rng.normal(0, 0.35, number)),
        contrast=np.exp(rng.normal(np.log(0.12), 0.8, number)).clip(0, 0.6),
        zoom=np.exp(rng.normal(-0.2, 0.5, number)),
        offset=rng.uniform(0, side, (number, 2)),
        stripes=np.where(striped, np.exp(rng.uniform(np.log(0.06), np.log(0.5), number)), 0.0),
    )


def _labels(leaves: _Leaves, fields: np.ndarray, side: int) -> np.ndarray:
    """Which leaf is in front at every sample; int [side, side]."""
    labels = np.zeros((side, side), np.intp)
    grid = np.arange(side, dtype=np.float32)
    reach = 1.3 * leaves.radii.max(axis=1, keepdims=True)
    low = np.clip(np.floor(leaves.centre - reach), 0, side).astype(int).tolist()
    high = np.clip(np.ceil(leaves.centre + reach), 0, side).astype(int).tolist()
    frame = np.concatenate([leaves.centre, leaves.angle[:, None], leaves.radii], axis=1).tolist()
    for i, shape in enumerate(leaves.shape.tolist()):
        (top, left), (bottom, right) = low[i], high[i]
        if i == 0 or bottom <= top or right <= left:
            continue
        distance = _distance(shape, frame[i], grid[top:bottom], grid[left:right])
        if shape in (_BLOB, _DIAMOND):
            distance += 0.16 * fields[2][top:bottom, left:right]
        labels[top:bottom, left:right][distance < 1] = i
    return labels


def _distance(shape: int, frame: list[float], y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Implicit function of a leaf on a window, below 1 inside; y [h], x [w], result [h, w]."""
    row, column, angle, long_radius, short_radius = frame
    y, x = (y - np.float32(row))[:, None], (x - np.float32(column))[None]
    cosine, sine = math.cos(angle), math.sin(angle)
    u = x * np.float32(cosine / long_radius) + y * np.float32(sine / long_radius)
    v = y * np.float32(cosine / short_radius) - x * np.float32(sine / short_radius)
    if shape == _BOX:
        return np.maximum(np.abs(u), np.abs(v))
    if shape == _DIAMOND:
        return np.abs(u) + np.abs(v)
    return u * u + v * v


def _paint(labels: np.ndarray, leaves: _Leaves, fields: np.ndarray, side: int) -> np.ndarray:
    """Albedo times texture times shading for every sample; float32 [side, side, 3]."""

    def spread(values: np.ndarray) -> np.ndarray:
        return np.take(values.astype(np.float32), labels)

    y, x = np.arange(side, dtype=np.float32)[:, None], np.arange(side, dtype=np.float32)[None]
    y, x = y - spread(leaves.centre[:, 0]), x - spread(leaves.centre[:, 1])
    cosine, sine = spread(np.cos(leaves.angle)), spread(np.sin(leaves.angle))
    along, across = x * cosine + y * sine, y * cosine - x * sine
    u, v = along * spread(1 / leaves.radii[:, 0]), across * spread(1 / leaves.radii[:, 1])
    slope = leaves.slope / np.sqrt(leaves.radii.prod(axis=1, keepdims=True))
    shade = 1 + spread(slope[:, 0]) * y + spread(slope[:, 1]) * x
    shade = shade - spread(leaves.bulge) * np.minimum(u * u + v * v, 1.5)
    zoom = spread(leaves.zoom)
    row = (across * zoom + spread(leaves.offset[:, 0])).astype(np.intp) % side
    column = (along * zoom + spread(leaves.offset[:, 1])).astype(np.intp) % side
    place = row * side + column
    texture = np.take(fields[0], place) * spread(leaves.contrast)
    frequency = spread(leaves.stripes)
    texture = texture + 0.25 * np.sin(frequency * along) * (frequency > 0)
    tint = 0.04 * np.take(fields[1], place)
    gain = np.maximum(shade, 0.12)
    brightness = (np.exp(texture + tint), np.exp(texture), np.exp(texture - tint))
    planes = [spread(leaves.colour[:, i]) * gain * brightness[i] for i in range(3)]
    return np.stack(planes, axis=-1)


def _place_front(rng, canvas, front, fields, side, light) -> np.ndarray:
    labels = _labels(front, fields, side)
    cover = (labels > 0).astype(np.float32)
    distance = side * rng.uniform(0.01, 0.06)
    shift = (distance * np.array([np.cos(light), np.sin(light)])).astype(int)
    shadow = np.roll(cover, tuple(-shift), axis=(0, 1))[..., None]
    shadow = blur(shadow, max(0.5, 0.5 * distance))
    canvas = canvas * (1 - rng.uniform(0.2, 0.65) * shadow)
    return np.where(labels[..., None] > 0, _paint(labels, front, fields, side), canvas)


def _expose(rng: np.random.Generator, canvas: np.ndarray, side: int) -> np.ndarray:
    """A coloured light that falls off over the scene, and the photographer's exposure."""
    position = np.linspace(-1, 1, side, dtype=np.float32)
    slope = rng.normal(0, 0.25, 2)
    falloff = np.exp(slope[0] * position[:, None] + slope[1] * position[None])
    warmth = rng.normal(0, 0.12)
    canvas = canvas * falloff[..., None] * np.exp(warmth * np.array([1.0, 0.0, -1.0]))
    white = np.percentile(canvas.mean(axis=-1), 98)
    level = np.exp(rng.normal(np.log(0.75), 0.3))
    return np.clip(canvas * (level / max(white, 1e-4)), 0, 1.5).astype(np.float32)
