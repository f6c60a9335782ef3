"""Error maps of a data set: what is kept, what is computed, and what a kill costs."""

import functools

import jax
import numpy as np
import pytest

from input_pipeline.images.transforms import resize_to
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import decode_record, image_array
from npr_jax.models.diffusion import ddim
from npr_jax.models.diffusion import reconstruct as module
from npr_jax.models.diffusion.reconstruct import ErrorMaps, reconstruct
from npr_jax.models.diffusion.unet import predict_noise
from tests.models.diffusion import small

STEPS = 3
COUNTS = {"train": 9, "test": 4}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return small.predictor(tmp_path_factory.mktemp("predictor"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return small.dataset(tmp_path_factory.mktemp("source") / "little", **COUNTS)


@pytest.fixture(scope="module")
def written(tmp_path_factory, source, predictor):
    output = tmp_path_factory.mktemp("maps") / "maps"
    return reconstruct(source, predictor, output, steps=STEPS)


def all_records(dataset, split):
    source = dataset.source(split)
    return [decode_record(source[i]) for i in range(len(source))]


def test_what_is_known_of_an_image_stays(source, written):
    for split in COUNTS:
        before, after = all_records(source, split), all_records(written, split)
        assert len(after) == COUNTS[split]
        for old, new in zip(before, after, strict=True):
            assert (new.label, new.generator) == (old.label, old.generator)
            assert (new.filename, new.class_name) == (old.filename, old.class_name)


def test_both_classes_have_one_format_and_size(written):
    for split in COUNTS:
        kinds = {(r.storage, r.height, r.width, len(r.image)) for r in all_records(written, split)}
        assert kinds == {("decoded", small.SIDE, small.SIDE, small.SIDE**2 * 3)}


def test_maps_are_the_distance_to_the_reconstruction(source, written, predictor):
    """Against the same network in a plain loop of NumPy, without clipping's special cases."""
    graphdef, params = predictor.split()
    predict = jax.jit(functools.partial(predict_noise, graphdef))
    way = predictor.trajectory(STEPS)
    signal, noise = way.signal.astype(np.float64), way.noise.astype(np.float64)
    for old, new in zip(all_records(source, "test"), all_records(written, "test"), strict=True):
        x = resize_to(image_array(old), small.SIDE)[None].astype(np.float64) / 127.5 - 1
        start = x

        def move(x, time, a, b):
            e = np.asarray(predict(params, x.astype(np.float32), np.array([time])), np.float64)
            seen = np.clip((x - noise[a] * e) / signal[a], -1, 1)
            e = (x - signal[a] * seen) / noise[a] if noise[a] else e
            return signal[b] * seen + noise[b] * e

        for i in range(STEPS):
            x = move(x, way.timesteps[max(0, i - 1)], i, i + 1)
        for i in reversed(range(STEPS)):
            x = move(x, way.timesteps[i], i + 1, i)
        levels = np.abs(x - start)[0] * 127.5
        assert 1 < levels.mean() < 250
        difference = image_array(new) - levels
        assert difference.max() < 0.02  # cut, not rounded
        assert difference.min() > -1.02


def test_the_description_says_what_made_the_maps(source, written, predictor):
    info = written.info
    assert info["made_by"] == "reconstruct"
    assert info["licence"] == "none"
    assert info["simulated"] is False
    assert info["name"] == "little_dire"
    assert info["source_fingerprint"] == source.info["fingerprint"]
    assert info["fingerprint"] != source.info["fingerprint"]
    assert info["dire"]["noise_predictor_sha256"] == predictor.sha256
    assert (info["dire"]["ddim_steps"], info["dire"]["image_side"]) == (STEPS, small.SIDE)


class _Killed(BaseException):
    """Like a kill it is caught by nobody."""


def test_a_stopped_run_goes_on_and_writes_the_same(tmp_path, monkeypatch, source, predictor):
    monkeypatch.setattr(module, "SHARD_IMAGES", 2)
    monkeypatch.setattr(module, "_BATCH_PIXELS", {"cpu": 4 * small.SIDE**2})
    # In batches of that size: those of another round a pixel differently on some processors.
    whole = reconstruct(source, predictor, tmp_path / "whole", steps=STEPS, name="little_dire")
    computed = []
    original = ErrorMaps.__call__
    monkeypatch.setattr(
        ErrorMaps, "__call__", lambda self, x: computed.append(len(x)) or original(self, x)
    )
    again = functools.partial(
        reconstruct, source, predictor, tmp_path / "maps", steps=STEPS, name="little_dire"
    )

    def stop_at(number):
        def progress(done, total):
            assert total == sum(COUNTS.values())
            if done == number:
                raise _Killed

        return progress

    for number in (7, 11):
        with pytest.raises(_Killed):
            again(progress=stop_at(number))
    computed.clear()
    again()
    # At most the batch under way is computed anew: of split train nothing, of test at most all.
    assert sum(computed) <= COUNTS["test"]
    finished = PreparedDataset.load(tmp_path / "maps")
    for split in COUNTS:
        for one, other in zip(all_records(finished, split), all_records(whole, split), strict=True):
            assert one.filename == other.filename
            np.testing.assert_array_equal(image_array(one), image_array(other))


def test_another_predictor_does_not_continue(tmp_path, monkeypatch, source, predictor):
    monkeypatch.setattr(module, "SHARD_IMAGES", 2)

    def stop(done, total):
        if done == 5:
            raise _Killed

    with pytest.raises(_Killed):
        reconstruct(source, predictor, tmp_path / "maps", steps=1, progress=stop)
    other = small.predictor(tmp_path, seed=1)
    with pytest.raises(ValueError, match="noise_predictor_sha256 was"):
        reconstruct(source, other, tmp_path / "maps", steps=1)


def test_a_stream_is_mapped_in_order(predictor):
    maps = ErrorMaps(predictor, steps=1, image_size=16)
    images = [small.pixels(i, 40) for i in range(maps.rows + 2)]
    streamed = list(maps.stream(iter(images)))
    way = predictor.trajectory(1)
    graphdef, params = predictor.split()
    alone = jax.jit(
        lambda x: ddim.error_map(functools.partial(predict_noise, graphdef, params), x, way)
    )
    for i in (0, maps.rows + 1):
        expected = np.asarray(alone(resize_to(images[i], 16)[None])[0], int)
        assert np.abs(streamed[i] - expected).max() <= 1
    assert len(streamed) == len(images)


def test_what_cannot_be_used_is_refused(tmp_path, written, predictor):
    with pytest.raises(ValueError, match="reconstruction errors already"):
        reconstruct(written, predictor, tmp_path / "twice")
    with pytest.raises(ValueError, match="multiple of 2"):
        ErrorMaps(predictor, steps=1, image_size=33)
    with pytest.raises(ValueError, match="1 to 1000"):
        ErrorMaps(predictor, steps=0, image_size=32)
