"""Fixtures shared by all tests."""

import importlib.util
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest
from absl import flags

from tests import runs

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Tests compile hundreds of tiny networks and run each a few times: half of the processor's time
# goes into optimising what hardly runs.
XLA_FLAGS = "--xla_backend_optimization_level=0"
if jax.__version_info__ < (0, 11):  # later XLA stops at this flag
    XLA_FLAGS += " --xla_cpu_use_fusion_emitters=false"
# See pyproject.toml; of subprocesses.
HALF_WRITTEN = "Error reading persistent compilation cache entry"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_ARGUMENTS = (
    # Chromium's own requests (updates, field trials, word lists) are none of the pages'.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    # No name but the loopback's is resolved: a request elsewhere cannot succeed unseen.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def pytest_configure(config):
    """Marks absl's flags as parsed: grain's worker processes refuse to start otherwise.

    JAX keeps what it compiles, for subprocesses and the next run too: many tests train the same
    tiny network. XLA compiles quickly, not well, unless the caller's own flags say otherwise.
    """
    flags.FLAGS.mark_as_parsed()
    # Tests that call main.py's commands in this process would make devices of its cores.
    jax.config.update("jax_num_cpu_devices", 1)
    settings = {
        "jax_compilation_cache_dir": str(ROOT / ".jax_cache"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)
    os.environ.setdefault("PYTHONWARNINGS", f"ignore:{HALF_WRITTEN}:UserWarning")
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of reference values and real images beside the checkout."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("needs the folder shared/ (reference values, real images) beside the checkout")
    return path


@pytest.fixture(scope="session")
def reference_inputs(shared):
    """The module that makes the weights and images behind the reference values."""
    path = shared / "parity" / "reference_inputs.py"
    spec = importlib.util.spec_from_file_location("reference_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def parity(shared, reference_inputs):
    """What the published model returned: ``(expected, residual modes, reference_inputs)``.

    The first two are dictionaries of arrays, the third makes the weights and images behind them
    (see shared/parity/README.md).
    """
    folder = shared / "parity"
    arrays = [dict(np.load(folder / name)) for name in ("expected.npz", "residual_modes.npz")]
    return *arrays, reference_inputs


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> pathlib.Path:
    """A prepared data set of 64x64 images that a network tells apart within an epoch."""
    return runs.write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny_data) -> runs.FinishedRun:
    """``python main.py`` to its end on the tiny data; tests must not write into its workdir."""
    workdir = tmp_path_factory.mktemp("run") / "trained"
    finished = runs.main(*runs.train_arguments(tiny_data, workdir))
    return runs.FinishedRun(workdir, finished.stdout, finished.stderr)


@pytest.fixture(scope="session")
def packed(tmp_path_factory, trained) -> pathlib.Path:
    """The folder of the trained run as a detector to give away, named tiny 1.0."""
    folder = tmp_path_factory.mktemp("packed")
    runs.pack(trained.workdir, folder, {"name": "tiny", "version": "1.0", "licence": "CC0"})
    return folder


@pytest.fixture
def as_default(packed, monkeypatch) -> pathlib.Path:
    """The same, as the bundled detector, in this process."""
    from npr_jax.detectors import card

    monkeypatch.setattr(card, "OWN_FOLDER", packed)
    return packed


@pytest.fixture(scope="module")
def browser():
    """A Chromium; tests that need one skip where there is none.

    Of a module, not of the session: while Playwright runs, this thread's event loop is taken, and
    tests that start one of their own would fail.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; `make browser` installs it on Debian and Ubuntu")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(BROWSER_ARGUMENTS))
        yield started
        started.close()
