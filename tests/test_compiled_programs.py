"""The cache of compiled programs that all tests share: others write into it, or die writing."""

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache


@pytest.fixture
def own_cache(tmp_path):
    """A cache of this test's own."""
    shared = jax.config.jax_compilation_cache_dir
    for folder in (str(tmp_path), shared):
        jax.config.update("jax_compilation_cache_dir", folder)
        compilation_cache.reset_cache()
        if folder != shared:
            yield tmp_path


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
