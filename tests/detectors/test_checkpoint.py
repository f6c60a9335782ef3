"""What is read of a run's checkpoints, and what is said where they are missing or damaged."""

import shutil

import grain
import jax
import numpy as np
import pytest

from input_pipeline.errors import UserError
from npr_jax.detectors.checkpoint import restore_model
from npr_jax.training.checkpoint import Checkpoints

# Names that orbax-checkpoint 0.12.8 by itself writes to and cannot read from.
HARD_NAMES = ("runs [x]", "[!y]", "back\\slash")

# Where one array of a checkpoint is damaged, TensorStore may finish reading another after the event
# loop that waited for both is gone, and says so from a thread of its own.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def model_of(step):
    """A network of two numbers that know their step."""
    return {"params": {"kernel": np.full(2, step, np.float32)}, "batch_stats": {"mean": np.ones(1)}}


def shapes():
    one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one), model_of(0))


def iterator():
    return iter(grain.MapDataset.range(8).to_iter_dataset())


def write(workdir, *, best=3):
    """Steps 3 and 6, of which 3 was the better; ``best``: as the last checkpoint remembers it."""
    checkpoints = Checkpoints(workdir)
    for step in (3, 6):
        items = {"model": model_of(step), "optimizer": {"moment": np.zeros(2)}}
        progress = {"validation": {"best_step": best}}
        checkpoints.save(step, items, iterator(), progress, improved=step == 3)
    checkpoints.close()
    return workdir


def read(workdir, which):
    which, step, variables = restore_model(workdir, which, shapes())
    np.testing.assert_array_equal(variables["params"]["kernel"], [step] * 2)
    return which, step


def test_the_network_is_read_alone(tmp_path):
    write(tmp_path)
    for folder in (tmp_path / "checkpoints").iterdir():
        shutil.rmtree(folder / "optimizer")
        shutil.rmtree(folder / "data")
    assert read(tmp_path, "best") == ("best", 3)
    assert read(tmp_path, "last") == ("last", 6)


def test_before_any_validation_nothing_is_called_best(tmp_path):
    assert read(write(tmp_path, best=0), "best") == ("last", 6)


def test_a_missing_best_checkpoint_is_not_replaced_in_silence(tmp_path):
    write(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "3")
    with pytest.raises(UserError, match=r"step 3, is missing .*step 6, with --checkpoint=last"):
        read(tmp_path, "best")
    assert read(tmp_path, "last") == ("last", 6)


@pytest.mark.parametrize(
    "damage",
    ["model/manifest.ocdbt", "model", "progress/metadata", "model/truncated"],
)
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage):
    write(tmp_path)
    folder = tmp_path / "checkpoints" / ("6" if "progress" in damage else "3")
    if damage == "model/truncated":
        for path in filter(lambda p: p.is_file(), (folder / "model").rglob("d/*")):
            path.write_bytes(path.read_bytes()[:3])
    elif (folder / damage).is_dir():
        shutil.rmtree(folder / damage)
    else:
        (folder / damage).unlink()
    with pytest.raises(UserError, match=f"{folder} is damaged and cannot be read") as caught:
        read(tmp_path, "best")
    assert len(str(caught.value).splitlines()) == 1


def test_there_is_nothing_to_read(tmp_path):
    with pytest.raises(UserError, match="no checkpoints yet; train first"):
        read(tmp_path, "best")
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="no complete checkpoint yet"):
        read(tmp_path, "last")
    with pytest.raises(UserError, match="expected best or last"):
        read(tmp_path, "newest")


@pytest.mark.parametrize("name", HARD_NAMES)
def test_no_folder_name_loses_a_run(tmp_path, name):
    workdir = write(tmp_path / name)
    assert read(workdir, "best") == ("best", 3)
    resumed = Checkpoints(workdir)
    assert resumed.latest_step() == 6
    restored = resumed.restore(6, {"model": model_of(0)}, iterator())
    np.testing.assert_array_equal(restored["model"]["params"]["kernel"], [6, 6])
    resumed.close()
    moved = write(tmp_path / "plain").rename(tmp_path / f"moved to {name}")
    assert read(moved, "last") == ("last", 6)
