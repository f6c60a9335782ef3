"""Random crop and mirror on the device, inside the training step."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def crop_and_flip(key: jax.Array, images: jax.Array, size: int, *, flip: bool) -> jax.Array:
    """Cuts a random square from each image and mirrors half of them left to right.

    A row's crop depends on the key and the row's place in the global batch alone, not on how
    many devices share the batch. Source: NPR's training transforms (paper, section 4.1).

    Args:
        key: a key that no other step uses.
        images: ``[b, h, w, c]`` of any dtype.
        size: side of the square in pixels, at most h and w.
        flip: whether to mirror.

    Returns:
        ``[b, size, size, c]``, same dtype.
    """
    batch, height, width, channels = images.shape
    top_key, left_key, flip_key = jax.random.split(key, 3)
    top = jax.random.randint(top_key, (batch,), 0, height - size + 1)
    left = jax.random.randint(left_key, (batch,), 0, width - size + 1)
    if (height, width) != (size, size):

        def cut(image, y, x):
            return jax.lax.dynamic_slice(image, (y, x, 0), (size, size, channels))

        images = jax.vmap(cut)(images, top, left)
    if flip:
        mirrored = jax.random.bernoulli(flip_key, shape=(batch, 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images
