"""Batches of features: every record once an epoch, its own label, in step with the images."""

import numpy as np

from input_pipeline.loading.features import feature_iterator
from input_pipeline.loading.sampling import Groups
from npr_jax.training.inputs import TrainInput, open_dataset
from tests import runs

COUNT, BATCH = 21, 8


def iterator(process=(0, 1), seed=3):
    features = np.arange(1, COUNT + 1, dtype=np.float32)[:, None] * np.array([1, -1], np.float32)
    return feature_iterator(
        features,
        np.arange(COUNT, dtype=np.int32) % 2,
        batch_size=BATCH,
        seed=seed,
        process_index=process[0],
        process_count=process[1],
        groups=Groups.whole(COUNT),
    )


def test_an_epoch_has_every_record_once_with_its_label():
    batches = iterator()
    for _ in range(2):
        epoch = [next(batches) for _ in range(3)]
        features, labels, mask = (
            np.concatenate([batch[key] for batch in epoch]) for key in ("features", "label", "mask")
        )
        assert features.dtype == mask.dtype == np.float32
        assert labels.dtype == np.int32
        real = mask > 0
        assert sorted(features[real, 0]) == list(range(1, COUNT + 1))
        np.testing.assert_array_equal(features[:, 1], -features[:, 0])
        np.testing.assert_array_equal(labels[real], (features[real, 0] - 1) % 2)
        assert not features[~real].any()
        assert not labels[~real].any()
    batches.close()


def test_processes_share_a_batch_and_a_state_is_continued():
    whole = iterator()
    halves = [iterator((n, 2)) for n in range(2)]
    for _ in range(4):
        expected = next(whole)["features"]
        parts = [next(half)["features"] for half in halves]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    later = iterator()
    later.set_state(whole.get_state())
    np.testing.assert_array_equal(next(later)["features"], next(whole)["features"])


def test_records_come_in_the_order_in_which_images_would(tiny_data, tmp_path):
    config = runs.tiny_config(tiny_data)
    train = TrainInput(config, open_dataset(config, tmp_path))
    images = train.train_batches()
    features = iterator(seed=config.seed)
    for _ in range(6):
        image_batch, feature_batch = next(images), next(features)
        np.testing.assert_array_equal(image_batch["label"], feature_batch["label"])
        np.testing.assert_array_equal(image_batch["mask"], feature_batch["mask"])
    images.close()
