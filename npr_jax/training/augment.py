"""Random changes of training images on the device, inside the training step.

Crop and mirror are NPR's (Tan et al., CVPR 2024, section 4.1). Rotation, colour jitter and the
patch mask are SAFE's (Li et al., KDD 2025). Each is a pure function with a key of its own; pixels
are floats from 0 to 255. Photographs and generated images undergo them alike: no function sees a
label. What a row undergoes depends on the key and the row's place in the global batch alone, not
on how many devices share the batch.
"""

import functools

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

# Luma weights of ITU-R BT.601, to the digits that torchvision uses.
LUMA = (0.2989, 0.587, 0.114)
# What a step's key is folded with for each stream: ``fold_in`` is documented to give independent
# keys for different numbers. A new stream takes the next number; none is ever used for another.
TOP, LEFT, FLIP, ROTATION, JITTER, MASK = range(6)


def augment(key: jax.Array, images: jax.Array, data: ConfigDict) -> jax.Array:
    """All that the ``data`` section of a config switches on, in the order of this file.

    uint8 ``[b, h, w, 3]`` to ``[b, crop, crop, 3]``, uint8 or, where pixels are changed and not
    only moved, float32. No other step uses the key.
    """
    images = crop_and_flip(key, images, data.crop, flip=data.flip, alike=2 if data.couples else 1)
    # A key each, whichever others are switched on.
    stream = functools.partial(jax.random.fold_in, key)
    settings = data.augment
    if settings.rotation:
        images = rotate(
            stream(ROTATION), images, settings.rotation, bilinear=settings.rotation_bilinear
        )
    if settings.color_jitter:
        images = jitter_colors(stream(JITTER), images, settings.color_jitter)
    if settings.mask_probability:
        images = mask_patches(
            stream(MASK),
            images,
            settings.mask_probability,
            patch=settings.mask_patch,
            ratio=tuple(settings.mask_ratio),
        )
    return images


def crop_and_flip(
    key: jax.Array, images: jax.Array, size: int, *, flip: bool, alike: int = 1
) -> jax.Array:
    """Cuts a random square from each image and, with ``flip``, mirrors half of them left to right.

    ``[b, h, w, c]`` of any dtype, ``size`` at most h and w, to ``[b, size, size, c]``. So many
    neighbouring rows as ``alike`` says share a draw.
    """
    batch, height, width, channels = images.shape
    draws = (batch // alike,)
    top_key, left_key, flip_key = (jax.random.fold_in(key, n) for n in (TOP, LEFT, FLIP))
    top = jax.random.randint(top_key, draws, 0, height - size + 1).repeat(alike)
    left = jax.random.randint(left_key, draws, 0, width - size + 1).repeat(alike)
    if (height, width) != (size, size):

        def cut(image, y, x):
            return jax.lax.dynamic_slice(image, (y, x, 0), (size, size, channels))

        images = jax.vmap(cut)(images, top, left)
    if flip:
        mirrored = jax.random.bernoulli(flip_key, shape=(*draws, 1, 1, 1)).repeat(alike, axis=0)
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images


def rotate(key: jax.Array, images: jax.Array, degrees: float, *, bilinear: bool) -> jax.Array:
    """Turns each image by an angle drawn uniformly from [-degrees, degrees], see ``turn``."""
    angles = jax.random.uniform(key, images.shape[:1], minval=-degrees, maxval=degrees)
    return turn(images, angles, bilinear=bilinear)


def turn(images: jax.Array, angles: jax.Array, *, bilinear: bool) -> jax.Array:
    """Images turned about their centre; what comes from outside is 0, as torchvision fills.

    ``[b, h, w, c]`` to float32 of the same shape; corners are lost. ``angles`` are degrees,
    counter-clockwise, float32 ``[b]``; ``bilinear`` interpolates between four pixels, else the
    nearest is taken.
    """
    height, width = images.shape[1:3]
    radians = jnp.deg2rad(angles)
    cosine, sine = (f(radians)[:, None, None] for f in (jnp.cos, jnp.sin))
    # Where each pixel comes from, counted from the centre; rows count downwards.
    y = jnp.arange(height)[:, None] - (height - 1) / 2
    x = jnp.arange(width)[None, :] - (width - 1) / 2
    rows = cosine * y + sine * x + (height - 1) / 2
    columns = -sine * y + cosine * x + (width - 1) / 2
    images = images.astype(jnp.float32)
    if not bilinear:
        return _pixels_at(images, jnp.round(rows), jnp.round(columns))
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, along = rows - top, columns - left
    total = jnp.zeros_like(images)
    for r in (0, 1):
        for c in (0, 1):
            share = (down if r else 1 - down) * (along if c else 1 - along)
            total += share[..., None] * _pixels_at(images, top + r, left + c)
    return total


def _pixels_at(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """``images[b, rows, columns]`` for whole numbers ``[b, h, w]``; 0 outside the image."""
    height, width = images.shape[1:3]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = rows.clip(0, height - 1) * width + columns.clip(0, width - 1)
    flat = images.reshape(len(images), height * width, -1)
    index = places.astype(jnp.int32).reshape(len(images), height * width, 1)
    pixels = jnp.take_along_axis(flat, index, axis=1).reshape(images.shape)
    return jnp.where(inside[..., None], pixels, 0.0)


def jitter_colors(key: jax.Array, images: jax.Array, strength: float) -> jax.Array:
    """Brightness, contrast and saturation of each image by factors U(1 - s, 1 + s), s = strength.

    Always in this order; torchvision draws the order for each image. RGB from 0 to 255,
    ``[b, h, w, 3]``, to the same in float32, not rounded; the strength is above 0, at most 1.
    """
    factors = jax.random.uniform(
        key, (3, images.shape[0]), minval=1.0 - strength, maxval=1.0 + strength
    )
    return change_colors(images, *factors)


def change_colors(
    images: jax.Array, brightness: jax.Array, contrast: jax.Array, saturation: jax.Array
) -> jax.Array:
    """torchvision's three adjustments in turn, each clipped to 0..255; factors are ``[b]``.

    A factor moves the image away from (above 1) or towards (below 1) black, the mean of its grey
    values, and its grey version.
    """
    brightness, contrast, saturation = (
        factor[:, None, None, None] for factor in (brightness, contrast, saturation)
    )
    x = (images.astype(jnp.float32) * brightness).clip(0, 255)
    x = _blend(_grey(x).mean((1, 2), keepdims=True), x, contrast)
    return _blend(_grey(x), x, saturation)


def _grey(images: jax.Array) -> jax.Array:
    red, green, blue = jnp.split(images, 3, axis=-1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _blend(start: jax.Array, end: jax.Array, factor: jax.Array) -> jax.Array:
    return (start + factor * (end - start)).clip(0, 255)


def mask_patches(
    key: jax.Array, images: jax.Array, probability: float, *, patch: int, ratio: tuple[float, float]
) -> jax.Array:
    """Blackens randomly chosen squares of a grid in some of the images.

    The grid begins at the top left; its last row and column may be cut.

    Args:
        key: a key of its own.
        images: ``[b, h, w, c]``; shape and dtype stay.
        probability: of an image to be masked at all.
        patch: side of a square in pixels.
        ratio: lowest and highest share of the squares, drawn uniformly for each image. Of n
            squares ``floor(share * n)`` are blackened.
    """
    batch, height, width, _ = images.shape
    rows, columns = -(-height // patch), -(-width // patch)
    chance_key, share_key, place_key = jax.random.split(key, 3)
    masked = jax.random.bernoulli(chance_key, probability, (batch, 1))
    share = jax.random.uniform(share_key, (batch, 1), minval=ratio[0], maxval=ratio[1])
    count = jnp.where(masked, jnp.floor(share * rows * columns), 0)
    # Each square's place in a random order: argsort of a random order is again one.
    order = jax.random.uniform(place_key, (batch, rows * columns)).argsort(axis=1)
    black = (order < count).reshape(batch, rows, columns)
    black = black.repeat(patch, axis=1).repeat(patch, axis=2)[:, :height, :width, None]
    return jnp.where(black, jnp.zeros((), images.dtype), images)
