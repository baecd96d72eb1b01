"""What the notebooks share: checks that hint, images that say what they are, sliders."""

import numpy as np
import pytest

from minibn import teaching
from minibn.data import make_synthetic

WANT = np.array([[1.0, -2.0], [3.0, 0.5]])


@pytest.mark.parametrize(("got", "said"), [
    (None, "return"),
    ("a", "should be numbers"),
    (WANT[0], "shape (2,)"),
    (WANT * np.nan, "NaN"),
    (-WANT, "sign is wrong"),
    (WANT / 4, "0.25 times"),
    (WANT + [[0, 0], [0, 1e-3]], "0.001, at index (1, 1)"),
    (WANT**2, "squared, it seems"),
    (WANT.sum(0), "it should have (2, 2). not over the rows"),
    (0 * WANT, "it is all zeros."),
    (WANT * (1 + 1e-5), "too large by 1.0e-05 of its size"),
    ((WANT, None), "not a tuple of 2 (ndarray, None)"),
    (np.sin, "the ufunc sin itself"),
    ({"dx": WANT}, "not of the kind dict"),
])
def test_wrong_answers_get_a_hint(got, said):
    with pytest.raises(teaching.Wrong) as refusal, teaching.check("x") as check:
        check.equal("dx", got, WANT, {
            "squared, it seems": WANT**2, "not over the rows.": WANT.sum(0)})
    assert said in str(refusal.value)
    assert not check.done and check.choose("yours", "library") == "library"


def test_an_empty_blank_is_not_done(capsys):
    """It says so where nbgrader sees a failure, and later cells use the library's version."""
    with teaching.check("1.1 forward") as check:
        raise NotImplementedError
    assert capsys.readouterr().err == "1.1 forward: not done yet.\n"
    assert check.choose("yours", "library") == "library"


def test_a_right_answer_is_used(capsys):
    with teaching.check("1.1 forward") as check:
        check.equal("y", WANT.tolist(), WANT, {"never reached": WANT})
        check.equal("dx", WANT * (1 + 1e-9), WANT)
        check.equal("zero", np.zeros(3), np.zeros(3))
        check.parts((1, 2), "dx, dgamma")
    assert capsys.readouterr().out == "1.1 forward: right.\n"
    assert check.choose("yours", "library") == "yours"


@pytest.mark.parametrize(("want", "got", "said"), [
    (np.zeros(3), [0, 0, 2], "largest error is 2, at index (2,)"),
    ([1.0, 0.0], [1.0, 5.0], "largest error is 5, at index (1,)"),
    ([True, False, True], [True, True, True], "1 of 3 entries are wrong, the first at index (1,)"),
    ([True, False, True], [False] * 3, "2 of 3 entries are wrong"),
    (True, False, "it should be True"),
    (3.0, 0.0, "it is 0."),
    (3.0, 4.0, "too large"),
])
def test_wrong_answers_where_a_ratio_says_nothing(want, got, said):
    with pytest.raises(teaching.Wrong) as refusal:
        teaching.check("x").equal("it", got, want)
    assert said in str(refusal.value) and " times " not in str(refusal.value)


@pytest.mark.parametrize(("got", "said"), [
    (WANT.sum(), "This is 2.5"),
    (WANT[:1], "This is an array of shape (1, 2)"),
    ((WANT, 1, 2), "This is a tuple of 3 (ndarray, int, int)"),
    ("ab", "This is 'ab'"),
    (None, "This is None (is there a `return`?)"),
    ({"dx": 1, "dgamma": 2}, "of the kind dict"),
])
def test_parts_counts(got, said):
    with pytest.raises(teaching.Wrong, match="Return 2 things: dx, dgamma") as refusal:
        teaching.check("x").parts(got, "dx, dgamma")
    assert said in str(refusal.value)


def test_other_errors_come_through():
    with pytest.raises(ZeroDivisionError), teaching.check("x"):
        raise ZeroDivisionError


def test_images_say_what_they_are(monkeypatch, tmp_path, capsys):
    """Without CIFAR-100 the drawn images come, and the text says so."""
    monkeypatch.setattr(teaching, "FULL", True)
    monkeypatch.setenv("MINIBN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = teaching.load_images(classes=4, train=12, test=8)
    said = capsys.readouterr().out
    assert "CIFAR-100 was not found" in said and "drawn images" in said
    assert "12 training and 8 test images, 4 classes" in said
    assert data.name == "synthetic" and len(data.train_images) == 12 and len(data.class_names) == 4


def test_first_classes():
    data = make_synthetic(classes=6, train=60, test=30)
    few = teaching.first_classes(data, classes=2, train=11, test=5)
    assert len(few.train_labels) == 11 and len(few.test_labels) == 5
    assert set(few.train_labels) == {0, 1} and few.class_names == data.class_names[:2]
    rows = np.flatnonzero(data.train_labels < 2)[:11]
    assert np.array_equal(few.train_images, data.train_images[rows])


def test_play_draws_where_nobody_can_slide(monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    monkeypatch.setattr(teaching, "STATIC", True)
    drawn = []
    teaching.play(lambda m, rate: drawn.append((m, rate)), m=widgets.IntSlider(value=5),
                rate=widgets.FloatSlider(value=0.5))
    assert drawn == [(5, 0.5)]
