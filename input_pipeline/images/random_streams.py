"""Random streams: everything random about an image derives from the one seed, by number."""

import numpy as np


def generator_of(key: int, position: int) -> np.random.Generator:
    """Returns the generator of one random stream for the example at a position."""
    return np.random.Generator(np.random.Philox(key=[key, position]))


def derive_seed(seed: int, stream: int) -> int:
    """Returns the 32-bit seed of one of the random streams that derive from the one seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
