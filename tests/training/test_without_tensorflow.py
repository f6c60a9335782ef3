"""Where TensorFlow is not installed, training and predicting go on."""

from PIL import Image

from npr_jax.cli.main import EXTRA
from tests import runs

# Imports of TensorFlow then fail as if it were absent.
BLOCKED = (
    "import runpy, sys; "
    "sys.modules.update(dict.fromkeys(('tensorflow', 'tensorflow_datasets'))); "
    "sys.argv[0] = 'main.py'; "
    "runpy.run_path('main.py', run_name='__main__')"
)


def test_training_writes_what_it_writes_with_tensorflow(tiny_data, tmp_path):
    workdir = tmp_path / "run"
    arguments = runs.train_arguments(tiny_data, workdir, num_epochs=1)
    finished = runs.python("-c", BLOCKED, *arguments)
    assert "TensorFlow" not in finished.stderr
    assert len(runs.curve(workdir, "validation")) == 1
    assert (workdir / "report.html").is_file()
    assert list((workdir / "tensorboard").glob("events.*"))


def test_predicting_needs_neither(trained, tmp_path):
    """Nor any other library of the extra `train`."""
    Image.fromarray(runs.picture(0, False)).save(tmp_path / "image.png")
    blocked = BLOCKED.replace("'tensorflow',", f"'tensorflow', *{(*EXTRA, 'imagecodecs')},")
    finished = runs.python(
        "-c", blocked, "predict", f"--workdir={trained.workdir}", tmp_path / "image.png"
    )
    assert "image.png,0." in finished.stdout
    assert "Traceback" not in finished.stderr
