"""Which test images there are, and how they are looked at."""

import ml_collections
from PIL import Image

from input_pipeline.loading.mixture import MixedDataset
from npr_jax.evaluation.images import orientations
from tests.trees import prepare, save


def test_files_are_turned_as_their_exif_says(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, options in {"0_real/a.jpg": {"exif": turned}, "1_fake/b.png": {}}.items():
        save(tmp_path / "tree" / "one" / name, size=(40, 32), **options)
    config = ml_collections.ConfigDict({"data": {"test_split": "test"}})
    for storage, expected in (("encoded", [6, 1]), ("decoded", [1, 1])):
        options = {"image_size": 0} if storage == "decoded" else {}
        prepare(tmp_path / "tree", tmp_path / storage, storage=storage, **options)
        dataset = MixedDataset.load([tmp_path / storage])
        assert list(orientations(config, dataset, [0, 1])) == expected
