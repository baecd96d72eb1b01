"""Batches: exact statistics, every image once, crops and flips that are what they claim to be."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibn.data import channel_statistics, standardize_images, training_batches
from minibn.data import test_batches as testing_batches

N = 23
MEAN, STD = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.25, 0.3])
LABELS = np.arange(N, dtype=np.int64) * 7  # each image its own label, so that it can be found again
PIXELS = {"mean": np.zeros(3), "std": np.full(3, 1 / 255), "dtype": np.float64}  # x is the pixels


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)


def epoch(images, seed=0, batch_size=5, labels=LABELS, **options):
    options = {"mean": MEAN, "std": STD, **options}
    rng = np.random.default_rng(seed)
    return list(training_batches(images, labels, batch_size, rng, **options))


def joined(batches):
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


# Statistics and standardization


def test_statistics_are_those_of_numpy_in_float64(images):
    mean, std = channel_statistics(images)
    scaled = images / 255
    assert mean.dtype == std.dtype == np.float64 and mean.shape == std.shape == (3,)
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-13)


def test_statistics_of_more_images_than_are_counted_at_once(rng):
    images = rng.integers(0, 256, (2345, 3, 2, 3), dtype=np.uint8)
    np.testing.assert_allclose(channel_statistics(images)[0], (images / 255).mean((0, 1, 2)))


def test_statistics_of_a_constant_are_exact():
    mean, std = channel_statistics(np.full((1500, 4, 4, 2), 51, np.uint8))
    assert mean.tolist() == [0.2, 0.2] and std.tolist() == [0, 0]


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_standardize(images, dtype, tolerance):
    x = standardize_images(images, MEAN, STD, dtype)
    assert x.dtype == dtype and x.flags.c_contiguous
    np.testing.assert_allclose(x, (images / 255 - MEAN) / STD, rtol=0, atol=tolerance)


def test_standardized_with_its_own_statistics(images):
    x = standardize_images(images, *channel_statistics(images), np.float64)
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, rtol=1e-12)


# Training batches


def test_shapes_and_kinds(images):
    batches = epoch(images)
    assert len(batches) == 4  # the last three images are dropped
    for x, y in batches:
        assert x.shape == (5, 24, 24, 3) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (5,) and y.dtype == np.int64


@pytest.mark.parametrize("labels", [LABELS.astype(np.uint8), LABELS.astype(">i4")])
def test_labels_of_any_integer_kind(images, labels):
    _, y = joined(epoch(images, labels=labels))
    assert y.dtype == np.dtype(np.int64) and np.array_equal(y, joined(epoch(images))[1])


def test_every_image_once_in_a_new_order(images):
    _, first = joined(epoch(images, seed=1, batch_size=1))
    _, second = joined(epoch(images, seed=2, batch_size=1))
    assert sorted(first) == sorted(second) == LABELS.tolist()
    assert first.tolist() != second.tolist() != LABELS.tolist()


def windows(image, crop):
    """Every crop of an image, plain and mirrored: {bytes: (top, left, mirrored)}."""
    found = {}
    for top in range(image.shape[0] - crop + 1):
        for left in range(image.shape[1] - crop + 1):
            window = image[top : top + crop, left : left + crop]
            found[window.tobytes()] = top, left, False
            found[window[:, ::-1].tobytes()] = top, left, True
    return found


def places(images, batches, crop=24):
    """Where each crop of an epoch was cut."""
    x, y = joined(batches)
    x = np.rint(x).astype(np.uint8)
    return [windows(images[label // 7], crop)[a.tobytes()] for a, label in zip(x, y, strict=True)]


def test_each_crop_is_a_window_of_its_image_and_all_places_occur(images):
    found = [p for seed in range(40) for p in places(images, epoch(images, seed, **PIXELS))]
    tops, lefts, mirrored = zip(*found, strict=True)
    assert set(tops) == set(lefts) == set(range(9))  # 800 draws from nine
    assert 0.43 < np.mean(mirrored) < 0.57           # four standard deviations
    assert len(set(zip(tops, lefts, strict=True))) == 81  # top and left drawn on their own


def test_without_flip_and_crop_images_are_whole(images):
    x, y = joined(epoch(images, crop=32, flip=False, **PIXELS))
    assert np.array_equal(np.rint(x), images[y // 7])


def test_crops_of_images_that_are_not_square(rng):
    images = rng.integers(0, 256, (N, 8, 6, 1), dtype=np.uint8)
    pixels = {**PIXELS, "mean": np.zeros(1), "std": np.full(1, 1 / 255)}
    found = [p for s in range(20) for p in places(images, epoch(images, s, crop=5, **pixels), 5)]
    assert {p[:2] for p in found} == {(top, left) for top in range(4) for left in range(2)}


def test_standardization_comes_after_the_cut(images):
    pixels, _ = joined(epoch(images, **PIXELS))
    x, _ = joined(epoch(images, dtype=np.float64))
    np.testing.assert_allclose(x, (pixels / 255 - MEAN) / STD, atol=1e-12)


@pytest.mark.parametrize("flip", [True, False])
def test_the_draws_are_those_of_the_docstring(rng, flip):
    """Order, places and coins, in this order, whatever becomes of them."""
    images = rng.integers(0, 256, (40, 9, 11, 3), np.uint8)
    labels, ones = np.arange(40), np.ones(3)
    batches = list(training_batches(images, labels, 1, np.random.default_rng(7), 0 * ones, ones,
                                    crop=6, flip=flip, dtype=np.float64))
    again = np.random.default_rng(7)
    order, tops = again.permutation(40), again.integers(0, 9 - 6 + 1, 40)
    lefts, coins = again.integers(0, 11 - 6 + 1, 40), again.random(40)
    for (x, y), image, top, left, coin in zip(batches, order, tops, lefts, coins, strict=True):
        window = images[image, top:top + 6, left:left + 6]
        assert y == labels[image]
        assert np.rint(255 * x[0]) == pytest.approx(window[:, ::-1] if flip and coin < 0.5
                                                    else window)


def test_only_pixels_are_standardized(images):
    with pytest.raises(TypeError, match="images must be uint8, not float32"):
        standardize_images(images.astype(np.float32), np.zeros(3), np.ones(3))


def test_equal_generators_give_equal_epochs_and_states(images):
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(2):
        a = joined(training_batches(images, LABELS, 5, one, MEAN, STD))
        b = joined(training_batches(images, LABELS, 5, other, MEAN, STD))
        assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
    assert one.bit_generator.state == other.bit_generator.state


def test_resumes_from_the_saved_state_of_the_generator(images):
    rng = np.random.default_rng(4)
    list(training_batches(images, LABELS, 5, rng, MEAN, STD))
    saved = copy.deepcopy(rng.bit_generator.state)
    expected = joined(training_batches(images, LABELS, 5, rng, MEAN, STD))
    resumed = np.random.default_rng()
    resumed.bit_generator.state = saved
    found = joined(training_batches(images, LABELS, 5, resumed, MEAN, STD))
    assert np.array_equal(found[0], expected[0]) and np.array_equal(found[1], expected[1])


def test_same_images_in_the_same_order_at_any_batch_size(images):
    x1, y1 = joined(epoch(images, batch_size=1))
    for batch_size in (2, 5, 23):
        x, y = joined(epoch(images, batch_size=batch_size))
        assert np.array_equal(x, x1[: len(x)]) and np.array_equal(y, y1[: len(y)])


def test_generator_is_used_at_the_call_and_not_later(images):
    rng = np.random.default_rng(5)
    batches = training_batches(images, LABELS, 5, rng, MEAN, STD)
    state = copy.deepcopy(rng.bit_generator.state)
    assert state != np.random.default_rng(5).bit_generator.state
    first = [next(batches)]
    rng.random(100)  # somebody else uses it meanwhile
    rest = joined(first + list(batches))
    assert np.array_equal(rest[0], joined(epoch(images, seed=5))[0])
    left_early = np.random.default_rng(5)
    next(training_batches(images, LABELS, 5, left_early, MEAN, STD))
    assert left_early.bit_generator.state == state


def test_inputs_are_left_alone_and_may_be_views(images):
    before = images.copy()
    expected = joined(epoch(images))
    turned = np.asfortranarray(images)
    turned.flags.writeable = False
    wide = np.zeros((2 * N, 32, 32, 3), np.uint8)
    wide[::2] = images
    for view in (turned, wide[::2], images[::-1][::-1]):
        assert np.array_equal(joined(epoch(view))[0], expected[0])
    x, y = next(iter(training_batches(images, LABELS, 5, np.random.default_rng(0), MEAN, STD)))
    x += 1
    y += 1
    assert np.array_equal(images, before) and LABELS[1] == 7


# Test batches


def test_test_batches_are_the_centers_in_order(images):
    batches = list(testing_batches(images, LABELS, 5, MEAN, STD, dtype=np.float64))
    assert [len(y) for _, y in batches] == [5, 5, 5, 5, 3]  # the last one is kept
    x, y = joined(batches)
    assert np.array_equal(y, LABELS) and y.dtype == np.int64 and x.flags.c_contiguous
    np.testing.assert_allclose(x, (images[:, 4:28, 4:28] / 255 - MEAN) / STD, atol=1e-12)


def test_a_test_batch_may_be_larger_than_the_set(images):
    (x, y), = testing_batches(images, LABELS, 1000, MEAN, STD)
    assert x.shape == (N, 24, 24, 3) and x.dtype == np.float32 and len(y) == N


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(1, 12), height=st.integers(1, 9), width=st.integers(1, 9),
    channels=st.integers(1, 4), data=st.data(),
)
def test_any_shape(count, height, width, channels, data):
    crop = data.draw(st.integers(1, min(height, width)))
    batch_size = data.draw(st.integers(1, count))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    labels = np.arange(count)
    zero, one = np.zeros(channels), np.ones(channels)
    train = list(training_batches(images, labels, batch_size, rng, zero, one, crop))
    shapes = [x.shape for x, _ in train]
    assert shapes == [(batch_size, crop, crop, channels)] * (count // batch_size)
    test = joined(testing_batches(images, labels, batch_size, zero, one, crop))
    top, left = (height - crop) // 2, (width - crop) // 2
    center = images[:, top : top + crop, left : left + crop] / 255
    np.testing.assert_allclose(test[0], center, atol=1e-6)
    assert np.array_equal(test[1], labels)


# Mistakes: raised by the call itself, not by the first batch

IMAGES = np.zeros((N, 32, 32, 3), np.uint8)
MISTAKES = [
    ({"images": IMAGES.tolist()}, TypeError, "images must be a NumPy array, not list"),
    ({"images": IMAGES.astype(np.float32)}, TypeError, "images must be uint8, not float32"),
    ({"images": IMAGES[0]}, ValueError, r"images must have shape \(N, H, W, C\), not \(32,"),
    ({"images": IMAGES[:0], "labels": LABELS[:0]}, ValueError, "images must not be empty"),
    ({"labels": LABELS[1:]}, ValueError, r"labels must have shape \(23,\)"),
    ({"labels": LABELS[:, None]}, ValueError, r"labels must have shape \(23,\)"),
    ({"labels": LABELS.astype(float)}, TypeError, "labels .* integers, not float64"),
    ({"labels": LABELS > 3}, TypeError, "labels .* integers, not bool"),
    ({"labels": LABELS.tolist()}, TypeError, "labels .* integers, not list"),
    ({"batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
    ({"batch_size": 5.0}, TypeError, "batch_size must be an integer, not 5.0"),
    ({"batch_size": True}, TypeError, "batch_size must be an integer, not True"),
    ({"crop": 33}, ValueError, "crop must be at most 32, not 33"),
    ({"crop": 0}, ValueError, "crop must be at least 1, not 0"),
    ({"crop": 24.0}, TypeError, "crop must be an integer, not 24.0"),
    ({"mean": MEAN[:2]}, ValueError, r"mean must have shape \(3,\), not \(2,\)"),
    ({"std": STD[None]}, ValueError, r"std must have shape \(3,\), not \(1, 3\)"),
    ({"mean": MEAN * np.nan}, ValueError, "mean must be finite"),
    ({"std": STD * 0}, ValueError, "std must be above 0"),
    ({"std": -STD}, ValueError, "std must be above 0"),
    ({"dtype": np.int64}, TypeError, "dtype must be float32 or float64"),
]
GOOD = {"images": IMAGES, "labels": LABELS, "batch_size": 5, "mean": MEAN, "std": STD}


@pytest.mark.parametrize("mistake, error, message", MISTAKES)
def test_mistakes(mistake, error, message):
    with pytest.raises(error, match=message):
        training_batches(**{**GOOD, "rng": np.random.default_rng(0), **mistake})
    with pytest.raises(error, match=message):
        testing_batches(**{**GOOD, **mistake})


def test_mistakes_of_training_alone():
    with pytest.raises(ValueError, match="batch_size must not exceed the 23 images, not 24"):
        training_batches(**{**GOOD, "batch_size": 24}, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng must be a numpy.random.Generator, not int"):
        training_batches(**GOOD, rng=0)


def test_a_mistake_leaves_the_generator_alone():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError):
        training_batches(**{**GOOD, "std": STD * 0}, rng=rng)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_mistakes_of_statistics():
    with pytest.raises(TypeError, match="images must be uint8, not int64"):
        channel_statistics(IMAGES.astype(np.int64))
    with pytest.raises(ValueError, match="images must not be empty"):
        channel_statistics(IMAGES[:0])


def test_masks_are_refused(images):
    """What is masked would be trained on."""
    with pytest.raises(TypeError, match="images must be a plain array, not a MaskedArray"):
        channel_statistics(np.ma.masked_equal(images, 0))
    with pytest.raises(TypeError, match="labels must be a plain array, not a MaskedArray"):
        training_batches(images, np.ma.masked_equal(LABELS, 7), 5, np.random.default_rng(0), MEAN,
                         STD)
