"""The cache of compiled programs that all tests share: others write into it, or die writing."""

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache


def use_cache(folder):
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()


@pytest.fixture
def own_cache(tmp_path):
    """A cache of this test's own."""
    shared = jax.config.jax_compilation_cache_dir
    use_cache(str(tmp_path))
    yield tmp_path
    use_cache(shared)


def test_a_half_written_program_is_compiled_anew(own_cache):
    """JAX writes it where it is read: a test that comes at that moment must not fail for it."""
    x = np.arange(4, dtype=np.float32)

    def computed():
        jax.clear_caches()
        return jax.jit(lambda x: 3 * x + 1)(x)

    computed()
    programs = list(own_cache.glob("*-cache"))
    assert programs
    for path in programs:
        path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(computed(), 3 * x + 1)
