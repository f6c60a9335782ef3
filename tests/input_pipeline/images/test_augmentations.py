"""Blur, JPEG and WebP of training images: what they compute, and what they draw."""

import io
import itertools
import json

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from input_pipeline.images import transforms
from input_pipeline.images.augmentations import (
    GaussianBlur,
    InvisibleMark,
    JpegCompression,
    WebpCompression,
    augmentations,
)
from input_pipeline.images.invisible_mark import read_mark, write_mark
from input_pipeline.loading.pipeline import evaluation_images, train_iterator
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard

IMAGES = 20


def picture(seed, height=16, width=16):
    """Soft noise, which every blur and every compression changes."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3))
    return ndimage.uniform_filter(noise, (3, 3, 0)).astype(np.uint8)


def pil_trip(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def opencv_trip(image, quality):
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1]
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def scipy_blur(image, sigma):
    """As CNNDetection: each channel of the uint8 image in place."""
    image = image.copy()
    for channel in range(3):
        plane = image[:, :, channel]
        ndimage.gaussian_filter(plane, output=plane, sigma=sigma)
    return image


@pytest.fixture
def source(tmp_path):
    """Decoded images of 16 x 16 pixels, photographs and generated ones in turn."""
    with new_shard(tmp_path / "shard") as writer:
        for index in range(IMAGES):
            pixels = picture(index).tobytes()
            record = ImageRecord(pixels, "decoded", 16, 16, index % 2, "g", f"{index}.png")
            writer.write(encode_record(record))
    return TFRecordSource([tmp_path / "shard"])


def rows(source, count, **settings):
    """The images and labels of the first `count` batches of 10."""
    iterator = train_iterator(source, **({"batch_size": 10, "seed": 0, "resize": 0} | settings))
    batches = list(itertools.islice(iterator, count))
    iterator.close()
    return [np.concatenate([batch[key] for batch in batches]) for key in ("image", "label")]


def differs(images, others):
    return (images != others).any(axis=(1, 2, 3))


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 1.7, 3.0])
def test_blur_is_scipys_on_each_channel(sigma):
    image = picture(0, 40, 56)
    blurred = GaussianBlur(1.0, (sigma, sigma))(image, np.random.default_rng(0))
    assert blurred.dtype == np.uint8
    np.testing.assert_array_equal(blurred, scipy_blur(image, sigma))


@pytest.mark.parametrize("quality", [1, 30, 77, 100])
def test_compressions_are_one_trip_through_their_codec(quality):
    image = picture(1, 41, 55)
    quality_range, rng = (quality, quality), np.random.default_rng(0)
    found = JpegCompression(1.0, quality_range, ("pil",))(image, rng)
    np.testing.assert_array_equal(found, pil_trip(image, "JPEG", quality=quality))
    found = JpegCompression(1.0, quality_range, ("opencv",))(image, rng)
    np.testing.assert_array_equal(found, opencv_trip(image, quality))
    found = WebpCompression(1.0, quality_range)(image, rng)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pil_trip(image, "WEBP", quality=quality))


@pytest.mark.parametrize("kind", [GaussianBlur, JpegCompression, WebpCompression])
def test_probabilities(kind):
    image, rng, draws = picture(2, 8, 8), np.random.default_rng(5), 1000
    assert all(kind(0.0)(image, rng) is image for _ in range(100))
    assert all(kind(1.0)(image, rng) is not image for _ in range(100))
    changed = sum(kind(0.3)(image, rng) is not image for _ in range(draws))
    assert stats.binomtest(changed, draws, 0.3).pvalue > 0.001


def test_sigma_is_uniform_over_its_range(monkeypatch):
    drawn = []
    monkeypatch.setattr(ndimage, "gaussian_filter", lambda image, sigma, axes: drawn.append(sigma))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        GaussianBlur(1.0, (0.5, 2.0))(picture(0), rng)
    assert stats.kstest(drawn, stats.uniform(0.5, 1.5).cdf).pvalue > 0.001


def test_qualities_and_codecs_are_each_as_likely(monkeypatch):
    image, rng, draws = picture(3), np.random.default_rng(1), 600
    by_opencv = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *a: by_opencv.append(a) or encode(*a))
    names = {pil_trip(image, "JPEG", quality=q).tobytes(): q for q in range(40, 44)}
    names |= {opencv_trip(image, q).tobytes(): q for q in range(40, 44)}
    by_opencv.clear()
    augmentation = JpegCompression(1.0, (40, 43))
    found = [names[augmentation(image, rng).tobytes()] for _ in range(draws)]
    assert stats.chisquare([found.count(q) for q in range(40, 44)]).pvalue > 0.001
    assert stats.binomtest(len(by_opencv), draws, 0.5).pvalue > 0.001

    names = {pil_trip(image, "WEBP", quality=q).tobytes(): q for q in (30, 31)}
    assert len(names) == 2
    webp = WebpCompression(1.0, (30, 31))
    found = [names[webp(image, rng).tobytes()] for _ in range(draws)]
    assert stats.binomtest(found.count(30), draws, 0.5).pvalue > 0.001


def test_what_one_draws_does_not_depend_on_the_others(source):
    """With blur and JPEG on, each image is its blur alone, through JPEG of its JPEG alone."""
    blur, qualities = GaussianBlur(0.5, (0.5, 2.0)), (40, 45)
    compression = JpegCompression(0.5, qualities, ("pil",))
    plain, _ = rows(source, 4)
    blurred, _ = rows(source, 4, augment=[blur])
    compressed, _ = rows(source, 4, augment=[compression])
    both, _ = rows(source, 4, augment=[blur, compression])
    touched = 0
    for original, soft, blocky, found in zip(plain, blurred, compressed, both, strict=True):
        if (original == blocky).all():
            expected = soft
        else:
            [quality] = [
                q
                for q in range(qualities[0], qualities[1] + 1)
                if (pil_trip(original, "JPEG", quality=q) == blocky).all()
            ]
            expected = pil_trip(soft, "JPEG", quality=quality)
            touched += bool((original != soft).any())
        np.testing.assert_array_equal(found, expected)
    assert touched > 3


def test_draws_of_different_kinds_are_unrelated_and_new_in_every_epoch(source):
    batches = 60
    plain, labels = rows(source, batches)
    kinds = [GaussianBlur(0.5, (1.0, 2.0)), JpegCompression(0.5, (30, 50)), WebpCompression(0.5)]
    on = [differs(rows(source, batches, augment=[kind])[0], plain) for kind in kinds]
    for first, second in itertools.combinations(on, 2):
        table = [[(first == a)[second == b].sum() for a in (0, 1)] for b in (0, 1)]
        assert stats.chi2_contingency(table).pvalue > 0.001
    for changed in on:
        # Both classes alike, and not the same images every time.
        table = [[(changed[labels == label] == a).sum() for a in (0, 1)] for label in (0, 1)]
        assert stats.chi2_contingency(table).pvalue > 0.001
        epochs = changed.reshape(-1, IMAGES)
        assert len({epoch.tobytes() for epoch in epochs}) == len(epochs)


def test_both_classes_get_the_same_distribution_of_qualities(source):
    table = {}
    for index, quality in itertools.product(range(IMAGES), range(30, 33)):
        data = pil_trip(picture(index), "JPEG", quality=quality).tobytes()
        assert table.setdefault(data, (index % 2, quality)) == (index % 2, quality)
    augment = [JpegCompression(1.0, (30, 32))]
    images, labels = rows(source, 60, augment=augment)
    counts = np.zeros((2, 3), int)
    for image, label in zip(images, labels, strict=True):
        known, quality = table[image.tobytes()]
        assert known == label
        counts[label, quality - 30] += 1
    assert stats.chi2_contingency(counts).pvalue > 0.001
    assert stats.chisquare(counts.sum(0)).pvalue > 0.001


def chain():
    """Every kind, each on for half of the images."""
    return [GaussianBlur(0.5), JpegCompression(0.5), WebpCompression(0.5)]


def test_the_same_bytes_for_any_number_of_workers_and_after_a_restore(source):
    settings = {"batch_size": 10, "seed": 1, "resize": 20, "host_crop": 12, "reencode": (50, 90)}
    settings |= {"augment": chain()}
    whole = train_iterator(source, **settings)
    expected = [next(whole)["image"] for _ in range(7)]
    whole.close()
    state, done = None, 0
    for workers in (1, 2, 0):
        iterator = train_iterator(source, **settings, workers=workers)
        if state is not None:
            iterator.set_state(state)
        for _ in range(2):
            np.testing.assert_array_equal(next(iterator)["image"], expected[done])
            done += 1
        state = json.loads(json.dumps(iterator.get_state()))
        iterator.close()


def test_crops_and_qualities_stay_what_they_are_without_augmentation(source):
    """A blur of sigma 0 changes no pixel, so nothing else may change either."""
    for settings in ({"host_crop": 9}, {"host_crop": 9, "resize": 20}, {"reencode": (30, 90)}):
        plain, _ = rows(source, 4, **settings)
        found, _ = rows(source, 4, **settings, augment=[GaussianBlur(1.0, (0.0, 0.0))])
        np.testing.assert_array_equal(found, plain)


def test_order_is_reencode_resize_blur_jpeg_webp_crop(source):
    settings = {"reencode": (70, 70), "resize": 24, "resize_mode": "short_side", "host_crop": 15}
    augment = [
        GaussianBlur(1.0, (1.2, 1.2)),
        JpegCompression(1.0, (60, 60), ("opencv",)),
        WebpCompression(1.0, (50, 50)),
    ]
    images, _ = rows(source, 2, **settings, augment=augment)
    wholes = []
    for index in range(IMAGES):
        image = Image.fromarray(pil_trip(picture(index), "JPEG", quality=70))
        image = scipy_blur(np.asarray(image.resize((24, 24), Image.BILINEAR)), 1.2)
        wholes.append(pil_trip(opencv_trip(image, 60), "WEBP", quality=50))
    windows = np.lib.stride_tricks.sliding_window_view(np.stack(wholes), (15, 15, 3), (1, 2, 3))
    for image in images:
        assert (windows == image).all(axis=(-1, -2, -3)).any()


def test_a_changed_augmentation_refuses_to_resume(source):
    settings = {"batch_size": 10, "seed": 1, "resize": 0}
    state = train_iterator(source, **settings, augment=[GaussianBlur(0.5)]).get_state()
    state = json.loads(json.dumps(state))
    train_iterator(source, **settings, augment=[GaussianBlur(0.5)]).set_state(state)
    for other in ([], [GaussianBlur(0.4)], [GaussianBlur(0.5, (0.0, 2.0))], chain()):
        with pytest.raises(ValueError, match=r"cannot continue.*augment was"):
            train_iterator(source, **settings, augment=other).set_state(state)
    tiled = train_iterator(source, **settings, small_images="tile", augment=[GaussianBlur(0.5)])
    with pytest.raises(ValueError, match="small_images was 'reflect', is 'tile'"):
        tiled.set_state(state)


@pytest.fixture
def marked_source(tmp_path):
    """Photographs, none marked, and generated images, all marked; 256 x 256 pixels."""
    with new_shard(tmp_path / "marked") as writer:
        for index in range(6):
            pixels = picture(index, 256, 256)
            pixels = write_mark(pixels) if index % 2 else pixels
            record = ImageRecord(
                pixels.tobytes(), "decoded", 256, 256, index % 2, "g", f"{index}.png"
            )
            writer.write(encode_record(record))
    return TFRecordSource([tmp_path / "marked"])


def test_the_mark_says_nothing_of_the_class_any_more(marked_source):
    """All generated images carried it and no photograph did: then a share of either, as drawn."""
    images, labels = rows(marked_source, 30, batch_size=6, augment=[InvisibleMark(0.4)])
    carried = np.array([read_mark(image).is_carried for image in images])
    table = [[(carried[labels == label] == a).sum() for a in (0, 1)] for label in (0, 1)]
    assert stats.chi2_contingency(table).pvalue > 0.01
    assert stats.binomtest(int(carried.sum()), len(carried), 0.4).pvalue > 0.01


@pytest.mark.parametrize(("probability", "unchanged"), [(1.0, 1), (0.0, 0)])
def test_the_mark_is_written_or_removed_only_where_it_must_be(
    marked_source, probability, unchanged
):
    plain, labels = rows(marked_source, 2, batch_size=6)
    images, _ = rows(marked_source, 2, batch_size=6, augment=[InvisibleMark(probability)])
    np.testing.assert_array_equal(differs(images, plain), labels != unchanged)
    assert all(read_mark(image).is_carried == bool(probability) for image in images)


def test_the_mark_comes_before_everything_else(marked_source):
    settings = {"batch_size": 6, "reencode": (70, 70), "resize": 200}
    images, labels = rows(marked_source, 1, **settings, augment=[InvisibleMark(1.0)])
    wanted = []
    for index in range(6):
        marked = Image.fromarray(pil_trip(write_mark(picture(index, 256, 256)), "JPEG", quality=70))
        wanted.append(np.asarray(marked.resize((200, 200), Image.BILINEAR)))
    for image in images:
        assert any((image == one).all() for one in wanted)
    assert set(labels) == {0, 1}


def test_images_too_small_to_be_marked_stay_as_they_are():
    image = picture(0, 255, 256)
    assert InvisibleMark(1.0)(image, np.random.default_rng(0)) is image


def test_only_what_has_a_probability_is_switched_on():
    settings = {
        "invisible_mark_probability": 0.0,
        "blur_probability": 0.0,
        "blur_sigma": [0.0, 3.0],
        "jpeg_probability": 0.1,
        "jpeg_quality": [30, 100],
        "jpeg_codecs": ["opencv"],
        "webp_probability": 0.0,
        "webp_quality": [30, 100],
    }
    assert augmentations(settings) == (JpegCompression(0.1, (30, 100), ("opencv",)),)
    others = ("invisible_mark_probability", "blur_probability", "webp_probability")
    every = augmentations(settings | dict.fromkeys(others, 0.5))
    kinds = [InvisibleMark, GaussianBlur, JpegCompression, WebpCompression]
    assert [type(one) for one in every] == kinds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InvisibleMark(-0.1), "probability is -0.1; allowed is 0 to 1"),
        (lambda: GaussianBlur(1.1), "probability is 1.1; allowed is 0 to 1"),
        (lambda: GaussianBlur(0.5, (2.0, 1.0)), "blur sigma is"),
        (lambda: JpegCompression(0.5, (0, 100)), r"quality is \(0, 100\)"),
        (lambda: JpegCompression(0.5, codecs=("gimp",)), r"codecs are \('gimp',\); give one"),
        (lambda: JpegCompression(0.5, codecs=()), r"codecs are \(\)"),
        (lambda: WebpCompression(0.5, (90, 80)), r"quality is \(90, 80\)"),
    ],
)
def test_settings_that_cannot_work_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_images_too_large_for_a_format_are_refused_with_a_reason():
    wide = np.zeros((1, 16_384, 3), np.uint8)
    with pytest.raises(ValueError, match=r"1 x 16384 pixels cannot be saved as WebP.*16383 a side"):
        WebpCompression(1.0)(wide, np.random.default_rng(0))
    wider = np.zeros((1, 65_501, 3), np.uint8)
    for codec in ("pil", "opencv"):
        with pytest.raises(ValueError, match=r"cannot be saved as JPEG.*65500 a side"):
            JpegCompression(1.0, codecs=(codec,))(wider, np.random.default_rng(0))
    for edge in (65_500, 16_383):  # the largest that are not refused
        image = np.zeros((1, edge, 3), np.uint8)
        assert transforms.jpeg(image, 50).shape == transforms.jpeg_by_opencv(image, 50).shape
    assert transforms.webp(image, 50).shape == (1, 16_383, 3)


def test_evaluation_is_never_augmented(source):
    for element in evaluation_images(source):
        np.testing.assert_array_equal(element["image"], picture(element["index"]))
