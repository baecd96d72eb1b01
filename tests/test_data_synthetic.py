"""The drawn images: reproducible, balanced, and not to be told apart by one trivial number."""

import time
from itertools import combinations

import numpy as np
import pytest

from minibn.data import make_synthetic
from minibn.data.synthetic import HUES, SHAPES, TEXTURES, cues

CENTER = slice(4, 28)


@pytest.fixture(scope="module")
def data():
    return make_synthetic()


def test_kinds_and_shapes(data):
    assert data.train_images.shape == (2000, 32, 32, 3) and data.train_images.dtype == np.uint8
    assert data.test_images.shape == (1000, 32, 32, 3) and data.test_images.dtype == np.uint8
    assert data.train_labels.shape == (2000,) and data.train_labels.dtype == np.int64
    assert data.test_labels.shape == (1000,) and data.test_labels.dtype == np.int64
    assert data.name == "synthetic" and len(data.class_names) == 10
    assert repr(data) == "<synthetic: 2000 training and 1000 test images, 10 classes>"


def test_same_seed_same_images(data):
    again, other = make_synthetic(), make_synthetic(seed=1)
    assert np.array_equal(again.train_images, data.train_images)
    assert np.array_equal(again.test_images, data.test_images)
    assert np.array_equal(again.train_labels, data.train_labels)
    assert not np.array_equal(other.train_images, data.train_images)
    assert not np.array_equal(other.train_labels, data.train_labels)


def test_no_image_occurs_twice(data):
    everything = np.concatenate([data.train_images, data.test_images])
    assert len({image.tobytes() for image in everything}) == 3000


@pytest.mark.parametrize("classes, train, test", [(10, 2000, 1000), (25, 130, 60), (2, 1, 1)])
def test_classes_are_balanced_and_shuffled(classes, train, test):
    data = make_synthetic(classes, train, test)
    for labels, count in ((data.train_labels, train), (data.test_labels, test)):
        per_class = np.bincount(labels, minlength=classes)
        assert per_class.sum() == count and np.ptp(per_class) <= 1 and len(per_class) == classes
    assert len(set(data.class_names)) == classes
    assert train == 1 or data.train_labels.tolist() != sorted(data.train_labels)


def test_any_two_cues_decide_and_one_leaves_several_classes_open():
    everything = [cues(label) for label in range(25)]
    for first, second in combinations(range(3), 2):
        assert len({(c[first], c[second]) for c in everything}) == 25
    for cue in range(3):
        assert np.bincount([c[cue] for c in everything[:10]]).tolist() == [2] * 5


def test_names_say_what_is_drawn(data):
    for label, name in enumerate(data.class_names):
        shape, texture, hue = cues(label)
        assert name == f"{HUES[hue]} {TEXTURES[texture]} {SHAPES[shape]}"


def test_is_drawn_in_a_second():
    start = time.process_time()
    make_synthetic()
    assert time.process_time() - start < 2.5  # 0.8 s on an idle core


def accuracy(train, train_labels, test, test_labels):
    """Test accuracy of a linear classifier, by least squares on one-hot labels."""
    features = [np.c_[f, np.ones(len(f))] for f in (train, test)]
    scale = features[0].std(0) + (features[0].std(0) == 0)
    weights = np.linalg.lstsq(features[0] / scale, np.eye(10)[train_labels], rcond=None)[0]
    return np.mean((features[1] / scale @ weights).argmax(1) == test_labels)


def test_color_and_brightness_alone_do_not_decide(data):
    """Mean color, with its squares and products, and the spread of each channel."""
    def simple(images):
        x = images[:, CENTER, CENTER] / 255
        mean, std = x.mean((1, 2)), x.std((1, 2))
        products = (mean[:, :, None] * mean[:, None]).reshape(-1, 9)
        return mean, np.c_[mean, products], np.c_[mean, products, std]

    for train, test in zip(simple(data.train_images), simple(data.test_images), strict=True):
        found = accuracy(train, data.train_labels, test, data.test_labels)
        assert 0.1 < found < 0.4


def test_a_linear_classifier_of_pixels_gets_half_of_them_wrong(data):
    def pixels(images):
        return images[:, 4:28:2, 4:28:2].reshape(len(images), -1) / 255
    found = accuracy(pixels(data.train_images), data.train_labels,
                     pixels(data.test_images), data.test_labels)
    assert found < 0.5


def test_no_class_is_the_mirror_of_another():
    """Without grain, the average image of a class resembles its own mirror most."""
    data = make_synthetic(train=3000, test=1, noise=0)
    averages = np.array(
        [data.train_images[data.train_labels == k].mean(0).astype(np.float64) for k in range(10)]
    )
    averages -= averages.mean(0)  # what all classes share says nothing
    mirrored = averages[:, :, ::-1]
    distance = ((averages[:, None] - mirrored) ** 2).mean((2, 3, 4))
    assert distance.argmin(1).tolist() == list(range(10))


def test_the_object_is_within_the_center():
    """Classes differ in the 24×24 pixels of any crop's center, hardly at the border."""
    data = make_synthetic(train=3000, test=1, noise=0)
    averages = np.array(
        [data.train_images[data.train_labels == k].mean(0).astype(np.float64) for k in range(10)]
    )
    between = averages.var(0).mean(-1)                                      # (32, 32)
    border = np.ones((32, 32), bool)
    border[2:30, 2:30] = False
    assert between[8:24, 8:24].mean() > 5 * between[border].mean()


def test_noise_is_the_grain():
    """More noise, more difference between neighboring pixels; 0 leaves smooth surfaces."""
    grain = [
        np.abs(np.diff(make_synthetic(train=200, test=1, noise=noise).train_images / 255, axis=1))
        .mean() for noise in (0, 0.1, 0.3)
    ]
    assert grain[0] < 0.04 < grain[1] / 2 < grain[2] / 3


@pytest.mark.parametrize(
    "mistake, error, message",
    [
        ({"classes": 1}, ValueError, "classes must be at least 2, not 1"),
        ({"classes": 26}, ValueError, "classes must be at most 25, not 26"),
        ({"classes": 2.5}, TypeError, "classes must be an integer"),
        ({"train": 0}, ValueError, "train must be at least 1, not 0"),
        ({"test": -1}, ValueError, "test must be at least 1, not -1"),
        ({"test": "many"}, TypeError, "test must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"noise": -0.1}, ValueError, "noise must be at least 0"),
        ({"noise": float("nan")}, ValueError, "noise must be finite"),
    ],
)
def test_mistakes(mistake, error, message):
    with pytest.raises(error, match=message):
        make_synthetic(**mistake)
