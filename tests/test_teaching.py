"""What the notebooks share: checks that hint, images that say what they are, figures, sliders."""

import base64
import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from minibn import functional as F
from minibn import teaching
from minibn.data import make_synthetic
from minibn.teaching import marking, registry, setting, watch
from minibn.teaching.compare import Wrong, equal, is_one_of, unpack, usable

WANT = np.array([[1.0, -2.0], [3.0, 0.5]])


@pytest.mark.parametrize(("got", "said"), [
    (None, "return"),
    ("a", "should be numbers"),
    ("2", "should be numbers, not '2'"),
    (WANT * 1j, "should be numbers"),
    (WANT[0], "shape (2,)"),
    (WANT[:, None], "shape (2, 1, 2); it should have (2, 2)"),
    (WANT[..., None], "shape (2, 2, 1); it should have (2, 2)"),
    (WANT * np.nan, "NaN"),
    (-WANT, "sign is wrong"),
    (WANT / 4, "0.25 times"),
    (WANT + [[0, 0], [0, 1e-3]], "0.001, at index (1, 1)"),
    (WANT**2, "squared, it seems"),
    (WANT.sum(0), "it should have (2, 2). not over the rows"),
    (0 * WANT, "it is all zeros."),
    (WANT * (1 + 1e-5), "too large by 1.0e-05 of its size"),
    ((WANT * (1 + 1e-4)).astype(np.float32), "too large by 1.0e-04 of its size"),
    ((WANT, None), "not a tuple of 2 (ndarray, None)"),
    ([[1, 2], [3]], "not a list of 2 (list, list)"),
    (np.sin, "the ufunc sin itself"),
    ({"dx": WANT}, "should be numbers, not an object of type dict."),
])
def test_wrong_answers_get_a_hint(got, said):
    with pytest.raises(Wrong) as refusal:
        equal("dx", got, WANT, {"squared, it seems": WANT**2, "not over the rows.": WANT.sum(0)})
    assert said in str(refusal.value)


@pytest.mark.parametrize("got", [
    WANT.tolist(), tuple(map(tuple, WANT)), WANT * (1 + 1e-9), WANT[None, None], WANT[None],
    WANT.astype(np.float32) * np.float32(1 + 1e-6), np.asfortranarray(WANT),
])
def test_right_answers_in_other_forms(got):
    equal("dx", got, WANT, {"never reached": WANT})


@pytest.mark.parametrize("got", [3, 3.0, np.float32(3), np.int64(3), [3], np.array([[3.0]])])
def test_right_numbers_in_other_forms(got):
    equal("n", got, 3.0)


@pytest.mark.parametrize(("want", "got", "said"), [
    (np.zeros(3), [0, 0, 2], "largest error is 2, at index (2,)"),
    ([1.0, 0.0], [1.0, 5.0], "largest error is 5, at index (1,)"),
    ([True, False, True], [True, True, True], "1 of 3 entries are wrong, the first at index (1,)"),
    ([True, False, True], [False] * 3, "2 of 3 entries are wrong"),
    (True, False, "it should be True"),
    (3.0, 0.0, "it is 0."),
    (3.0, 4.0, "too large"),
    (3.0, "3", "it should be a number, not '3'."),
    (3.0, [None], "it should be a number, not a list of 1 (None)."),
])
def test_wrong_answers_where_a_ratio_says_nothing(want, got, said):
    with pytest.raises(Wrong) as refusal:
        equal("it", got, want)
    assert said in str(refusal.value) and " times " not in str(refusal.value)


@pytest.mark.parametrize(("got", "said"), [
    (WANT.sum(), "This is 2.5"),
    (WANT[:1], "This is an array of shape (1, 2)"),
    ((WANT, 1, 2), "This is a tuple of 3 (ndarray, int, int)"),
    ("ab", "This is 'ab'"),
    (None, "This is None (is there a `return`?)"),
    ({"dx": 1, "dgamma": 2}, "This is an object of type dict."),
])
def test_unpack_counts(got, said):
    with pytest.raises(Wrong, match="Return 2 things: dx, dgamma") as refusal:
        unpack(got, "dx, dgamma")
    assert said in str(refusal.value)


def test_usable_and_one_of():
    assert np.array_equal(usable([[1, 2], [3, 4]], WANT), [[1, 2], [3, 4]])
    for strange in (None, "a", WANT[0], WANT * np.nan, WANT * 0, object()):
        assert usable(strange, WANT) is WANT
    assert is_one_of(-WANT, [WANT, -WANT]) and not is_one_of(2 * WANT, [WANT, -WANT])
    assert not is_one_of(None, [WANT])


@pytest.fixture
def sums(monkeypatch):
    """An exercise: 1 point for the sum, 2 for the product, of two arrays."""
    registry.exercises_of("01")                          # so that nothing imports them later
    monkeypatch.setattr(registry, "EXERCISES", {})
    monkeypatch.setattr(marking, "HANDED_ON", {})

    @registry.exercise("1.1", "two", answer="two", points=3, library=library_two, seconds=0.5,
                       allow=("minibn.layers.activations",))
    def test(answer, part):
        total, product = unpack(answer(WANT, WANT + 1), "the sum, the product")
        with part(1):
            equal("the sum", total, 2 * WANT + 1)
        with part(2):
            equal("the product", product, WANT * (WANT + 1))

    return registry.EXERCISES["1.1"]


def library_two(a, b):
    return a + b, a * b


def endless(a, b):
    while True:
        pass


def deaf(a, b):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def changes(a, b):
    a += b
    return a, (a - b) * b


def blank(a, b):
    raise NotImplementedError


class NoInput(NotImplementedError):
    """As Jupyter's error for `input()` where nobody can answer."""


def asks(a, b):
    raise NoInput("no input here")


class Stranger:
    def __array__(self, *args, **kwargs):
        raise KeyError("strange")


@pytest.mark.parametrize(("answer", "points", "said"), [
    (lambda a, b: (a + b, a * b), 3, "1.1 two: right. 3 of 3 points."),
    (lambda a, b: [(a + b).tolist(), a * b], 3, "right"),
    (changes, 3, "1.1 two: right. 3 of 3 points.\nA remark that costs no points: the function "
                 "also changes what it was given as a, and its caller sees the change. "),
    (lambda a, b: (F.relu(a + b)[0] - F.relu(-a - b)[0], a * b), 3, "right"),      # allowed
    (lambda a, b: (a + b, a), 1, "1.1 two: partly right. 1 of 3 points.\nthe product: "),
    (lambda a, b: (a, a * b), 2, "the sum: "),
    (lambda a, b: (a, b), 0, "1.1 two: not right yet. 0 of 3 points.\nthe sum: "),
    (lambda a, b: (a + b, Stranger()), 1, "should be numbers, not an object of type Stranger"),
    (blank, 0, "1.1 two: not done yet. 0 of 3 points."),
    (endless, 0, "was stopped after 0.5 seconds"),
    (deaf, 0, "was stopped after 0.5 seconds"),
    (lambda: 3, 0, "It stopped with TypeError"),
    (lambda a, b: a @ b[:1], 0, "It stopped with ValueError: matmul"),
    (lambda a, b: sys.exit(3), 0, "It stopped with SystemExit: 3"),
    (lambda a, b: a if a > 0 else b, 0, "for one number only."),
    (lambda a, b: list(range(a)), 0, "for one number only."),
    (lambda a, b: float(a), 0, "for one number only."),
    (lambda a, b: [1, 2][a.astype(int)], 0, "for one number only."),
    (asks, 0, "It stopped with NoInput: no input here (in the line: raise NoInput"),
    (lambda a, b: (a + b, F.softmax_cross_entropy(a, b)), 0, "Not an answer: it calls minibn."),
    (lambda a, b: library_two(a, b), 3, "right"),         # its name says a test, not minibn's
    (library_two, 0, "Not your answer"),
    (F.linear, 0, "calls minibn.layers.linear.linear"),
    (7, 0, "two should be a function; it is 7"),
    (registry.Blank(None), 0, "not done yet. 0 of 3 points. No cell above has defined it"),
])
def test_verdicts(sums, answer, points, said):
    credit = teaching.assess(sums, answer)
    assert credit == points and said in credit.text, credit.text
    assert credit.text.startswith("1.1 two: ")
    assert repr(credit) == str(points)                   # what nbgrader reads


def test_calls_of_the_library_are_seen(sums):
    """Directly, in disguise, from within what NumPy or the library calls back; caught or not."""
    x, one, zero = WANT, np.ones(2), np.zeros(2)

    def hidden(a, b):
        with contextlib.suppress(Exception):
            F.batch_norm(x, one, zero)
        return a + b, a * b

    def through_numpy(a, b):
        np.apply_along_axis(lambda row: F.linear(row[None], np.eye(2), zero)[0][0], 1, x)
        return a + b, a * b

    def of_a_layer(a, b):
        import minibn
        minibn.BatchNorm(2).forward(x, training=True)
        return a + b, a * b

    for answer, name in ((hidden, "batch_norm"), (through_numpy, "linear"),
                         (of_a_layer, "BatchNorm")):
        credit = teaching.assess(sums, answer)
        assert credit == 0 and "Not an answer: it calls minibn." in credit.text
        assert name in credit.text
    assert sys.getprofile() is None


def grows(v):
    v.append(3.0)


def replaces(v):
    v[0] = 7.0


def turns(v):
    v.shape = (2, 1)


def deep(v):
    v["a"][1][...] = 7.0


def drops(v):
    del v["a"]


@pytest.mark.parametrize(("function", "given", "changed"), [
    (replaces, np.array([1.0, 2.0]), ["v"]),
    (replaces, np.array([7.0, np.nan]), []),             # what was there before
    (turns, np.array([1.0, 2.0]), ["v"]),
    (grows, [1.0, 2.0], ["v"]),
    (replaces, [1.0, np.nan], ["v"]),
    (replaces, [7.0, np.nan], []),
    (deep, {"a": (1, np.zeros(2))}, ["v"]),
    (deep, {"a": (1, np.full(2, 7.0))}, []),
    (drops, {"a": 1}, ["v"]),
    (lambda *v: replaces(v[1]), np.zeros(2), ["argument 2"]),
    (max, [1.0, 2.0], []),
])
def test_changed_arguments_are_named(function, given, changed):
    """The check's own arrays stay as they are; a second change of the same argument is not named
    again."""
    seen, before = watch.Watch(5, lambda name: True), copy.deepcopy(given)
    for _ in range(2):
        watch.Watched(function, seen)(*[[1.0]] * changed.count("argument 2"), given)
    assert seen.changed == changed and repr(given) == repr(before)


def test_changed_arguments_with_their_names():
    seen = watch.Watch(5, lambda name: True)
    watch.Watched(lambda a, v, *, w=None: [replaces(v), replaces(w)], seen)(
        np.zeros(1), np.zeros(1), w=np.zeros(1))
    assert seen.changed == ["v", "w"]


def test_an_objects_methods_are_watched(sums):
    """What a reader's class makes is called under the same conditions as a function."""
    class Layer:
        def forward(self, a):
            return F.relu(a)[0] if a.size == 1 else F.batch_norm(a, np.ones(2), np.zeros(2))[0]

        def slow(self):
            while True:
                pass

    seen = watch.Watch(0.2, lambda name: "relu" in name)
    layer = watch.Watched(Layer, seen)()
    layer.forward(np.ones((1, 1)))
    assert not seen.calls
    layer.forward(WANT)
    assert "batch_norm" in seen.calls[0]
    with pytest.raises(watch.TimeIsUp):
        layer.slow()
    seen = watch.Watch(5, lambda name: "relu" in name)
    layer = watch.Watched(Layer, seen)()
    names = {"F": F}                          # as if it stood among the exercises
    exec(compile("def own(layer, a):\n    return F.relu(layer.forward(a))[0] + F.elu(a)[0]",
                 watch.EXERCISES + "own.py", "exec"), names)
    layer.within(names["own"], layer.target, np.ones((1, 1)))
    assert not seen.calls                     # the check's own code may call what it likes
    layer.within(names["own"], layer.target, WANT)
    assert "batch_norm" in seen.calls[0]


def test_the_time_limit_without_signals(sums):
    """In a thread, as in a browser, a trace function looks at the clock."""
    said = []
    for answer in (endless, deaf, changes):
        thread = threading.Thread(target=lambda a=answer: said.append(
            teaching.assess(sums, a).text))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert "was stopped" in said[0] and "was stopped" in said[1] and "right" in said[2]


def test_check_hands_on_the_librarys_version(sums, capsys):
    """What stands under the answer's name afterwards; a later answer may call it."""
    names = {"teaching": teaching, "two": lambda a, b: (a, b)}
    exec('credit = teaching.check("1.1", two)', names)
    assert names["credit"] == 0 and names["two"] is library_two
    assert "The cells below use the library's two until yours is right." in capsys.readouterr().out
    names["two"] = right = lambda a, b: (a + b, a * b)
    exec('credit = teaching.check("1.1", two)', names)
    assert names["credit"] == 3 and names["two"] is right
    assert capsys.readouterr().out == "1.1 two: right. 3 of 3 points.\n"


@pytest.mark.parametrize("key", ["1.2", "99.1", "", "x", "1", None])
def test_unknown_exercises(sums, key):
    with pytest.raises(ValueError, match="should be a number such as"):
        teaching.check(key, library_two)


def test_a_verdict_reads_in_html(sums):
    credit = marking.verdict(sums, 1, ["a < b & c"])
    page = credit._repr_html_()
    assert "a &lt; b &amp; c" in page and "<b>1.1 two: partly right. 1 of 3 points.</b>" in page
    assert "white-space: normal" in page                 # it wraps, also in nbgrader's feedback


def test_start_lays_out_blanks():
    names = {"teaching": teaching}
    exec('teaching.start("01")', names)
    with pytest.raises(NotImplementedError):
        names["batch_norm"](1, 2)
    names["batch_norm"] = print
    exec('teaching.start("01")', names)                  # the first cell, run again
    assert names["batch_norm"] is print


def test_one_thread_whatever_the_environment_says():
    """OPENBLAS_NUM_THREADS does not decide how long a notebook takes."""
    code = ("from threadpoolctl import threadpool_info\nfrom minibn import teaching\n"
            "teaching.start()\nimport numpy as np\nnp.ones((9, 9)) @ np.ones((9, 9))\n"
            "print([i['num_threads'] for i in threadpool_info() if i['user_api'] == 'blas'])")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "4"}).stdout
    assert set(json.loads(said.splitlines()[-1])) == {1}


def test_figures_have_text(monkeypatch):
    """The alternative text is in the output's metadata, the caption is Markdown below."""
    IPython = pytest.importorskip("IPython")
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: shown.append((a, k)))
    fig, _ = plt.subplots()
    teaching.show(fig, alt="a line that rises", caption="It *rises*.")
    (bundle,), about = shown[0]
    assert about["metadata"]["image/png"]["alt"] == bundle["text/plain"] == "a line that rises"
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert shown[1][0][0].data == "*Figure.* It *rises*."
    assert not plt.fignum_exists(fig.number)
    with pytest.raises(ValueError, match="alt is empty"):
        teaching.show(plt.figure(), alt=" ")


def test_animations_move_and_end_on_the_last_picture(monkeypatch):
    """Each frame is what was drawn; a reader that cannot play them sees the last one."""
    shown = []
    monkeypatch.setattr("minibn.teaching.animation.show_png", lambda *args: shown.append(args))

    def bar(fig, height):
        fig.subplots().bar([0], [height], color="black")

    teaching.animate(bar, [1, 2, 4], figsize=(3, 2), alt="a bar that grows", caption="It grows.")
    (png, alt, caption), = shown
    assert (alt, caption) == ("a bar that grows", "It grows.") and len(png) < 20_000
    movie = Image.open(io.BytesIO(png))
    assert movie.is_animated and movie.n_frames == 4 and movie.info["default_image"]
    pictures = []
    for frame in range(4):
        movie.seek(frame)
        pictures.append(np.asarray(movie.convert("RGB")))
    assert (pictures[0] == pictures[3]).all() and (pictures[0][0, 0] == 255).all()
    assert len({picture.tobytes() for picture in pictures}) == 3
    with pytest.raises(ValueError, match="alt is empty"):
        teaching.animate(bar, [1], alt=" ")
    with pytest.raises(ValueError, match="frames is empty"):
        teaching.animate(bar, [], alt="nothing")


def test_images_say_what_they_are(monkeypatch, tmp_path, capsys):
    """Without CIFAR-100 the drawn images come, and the text says so."""
    monkeypatch.setattr(setting, "FULL", True)
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
    monkeypatch.setattr(setting, "STATIC", True)
    drawn = []
    teaching.play(lambda m, rate: drawn.append((m, rate)), m=widgets.IntSlider(value=5),
                  rate=widgets.FloatSlider(value=0.5))
    assert drawn == [(5, 0.5)]
