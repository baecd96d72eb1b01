"""Bad input: the right result, or an error that says what is wrong; never an input changed."""

import copy
import re
import sys
import types
import warnings

import numpy as np
import pytest
from bad_input_table import ENTRIES, Entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.exceptions import ComplexWarning

import minibn
from minibn import functional
from minibn.layer import Layer
from minibn.optim import SGD

REFUSALS = (ValueError, TypeError)


def rows(which):
    """(entry, argument's name, [(case, value, …), …]) of every argument with cases of this sort."""
    return [pytest.param(entry, name, getattr(argument, which), id=f"{entry.name}-{name}")
            for entry in ENTRIES for name, argument in entry.arguments.items()
            if getattr(argument, which)]


def contents(values):
    """What is in all arrays among the values, byte for byte."""
    return [value.tobytes() for value in values if isinstance(value, np.ndarray)]


def outcome(entry: Entry, **changed):
    """The results of a call with some arguments changed, none of which may be written to."""
    arguments = {**entry.good(), **changed}
    before = contents(arguments.values())
    minibn.seed(0)                                 # layers without a seed are the same in each call
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning
                                  if hasattr(np, "exceptions") else ComplexWarning)
            return entry.call(**arguments)
    finally:
        assert contents(arguments.values()) == before, "an argument was changed"


def assert_same(found, expected, case):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if isinstance(b, (str, type(None))):
            assert a == b, case
        else:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9, err_msg=case)


def test_every_public_name_is_in_the_table():
    named = {entry.name for entry in ENTRIES}
    forwards = {name for name in functional.__all__ if not name.endswith("_backward")}
    # Sequential: at the end of this file; Layer and train: test_model.py, test_training.py.
    others = {"Sequential", "Layer", "train", "functional", "data", "optim"}
    assert forwards | set(minibn.__all__) - others <= named


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_good_call_is_good(entry):
    for value in outcome(entry):
        if isinstance(value, np.ndarray):
            assert np.isfinite(value).all()


@pytest.mark.parametrize(("entry", "name", "cases"), rows("bad"))
def test_refused_with_a_message(entry, name, cases):
    """The message has the name of an argument that does not fit, and what came."""
    for case, value, came in cases:
        try:
            outcome(entry, **{name: value})
        except REFUSALS as error:
            message = str(error)
        else:
            pytest.fail(f"{case} was taken")
        words = [name] if came else list(entry.arguments)
        assert any(re.search(rf"\b{word}\b", message) for word in words), (case, message)
        assert came in message, (case, message)
        assert len(message) < 300 and "\n" not in message, (case, message)


@pytest.mark.parametrize(("entry", "name", "cases"), rows("fine"))
def test_the_same_result(entry, name, cases):
    expected = outcome(entry)
    for case, value in cases:
        value = copy.deepcopy(value)               # a generator moves on, and a test may run twice
        assert_same(outcome(entry, **{name: value}), expected, case)


@pytest.mark.parametrize(("entry", "name", "cases"), rows("special"))
def test_nan_and_infinity_pass_through(entry, name, cases):
    for case, value in cases:
        results = outcome(entry, **{name: value})
        assert not all(np.isfinite(a).all() for a in results), case


@pytest.mark.parametrize(("entry", "name"), [
    pytest.param(entry, name, id=f"{entry.name}-{name}") for entry in ENTRIES
    for name, argument in entry.arguments.items()
    if isinstance(argument.good, np.ndarray) and argument.good.dtype == np.float64])
def test_float32_among_float64(entry, name):
    """Refused by its name, or as right as float32 can be, in the dtype of x."""
    value = entry.arguments[name].good.astype(np.float32)
    try:
        found = outcome(entry, **{name: value})
    except REFUSALS as error:
        assert "float32" in str(error) and "float64" in str(error)
        return
    for a, b in zip(found, outcome(entry), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# Arrays of two devices ----------------------------------------------------------------------------

@pytest.fixture
def on_gpu(monkeypatch):
    """A function that makes an array look as if it were CuPy's."""
    class Array:
        def __init__(self, a):
            self.dtype, self.shape, self.ndim, self.size = a.dtype, a.shape, a.ndim, a.size

        def __len__(self):
            return self.shape[0]

    cupy = types.ModuleType("cupy")
    cupy.ndarray = Array
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return Array


@pytest.mark.parametrize(("entry", "name"), [
    pytest.param(entry, name, id=f"{entry.name}-{name}") for entry in ENTRIES
    if hasattr(functional, entry.name) or isinstance(getattr(minibn, entry.name, None), type)
    for name, argument in entry.arguments.items()
    if isinstance(argument.good, np.ndarray)
    and (entry.arguments.keys() & {"gamma", "w", "g", "labels", "channels", "inputs",
                                   "in_channels"} or name == "dy")])
def test_arrays_of_two_devices_are_refused(entry, name, on_gpu):
    with pytest.raises(TypeError, match="(?s)cupy.*numpy|numpy.*cupy"):
        outcome(entry, **{name: on_gpu(entry.arguments[name].good)})


# What hypothesis thinks of ------------------------------------------------------------------------

small = st.integers(-2, 8)
scalars = st.one_of(small, st.floats(), st.booleans(), st.none(), st.text(max_size=3),
                    st.sampled_from(["moving", "batch", "brn", "cpu"]), small.map(np.int64),
                    st.floats(width=32).map(np.float32))
dtypes = st.sampled_from(["f4", "f8", ">f4", ">f8", "f2", "i8", "u1", "?", "c16", "O"])
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(
    dtype, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    elements=st.integers(0, 3) if dtype == "O" else None))


@st.composite
def calls(draw):
    """A call in which one or two arguments are anything at all."""
    # By number: some versions of hypothesis print everything that a strategy may choose from.
    entry = ENTRIES[draw(st.integers(0, len(ENTRIES) - 1))]
    names = draw(st.lists(st.sampled_from(list(entry.arguments)), min_size=1, max_size=2))
    return entry, {name: draw(st.one_of(arrays, scalars)
                              if isinstance(entry.arguments[name].good, np.ndarray) else
                              st.one_of(scalars, arrays)) for name in names}


@settings(max_examples=400, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(calls())
def test_whatever_comes_it_is_refused_or_right(call):
    """No other exception; what is taken gives what plain float64 arrays would give."""
    entry, changed = call
    try:
        found = outcome(entry, **changed)
    except REFUSALS:
        return
    wide = {name: np.array(value, np.float64, order="C")
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
            for name, value in {**entry.good(), **changed}.items()}
    for a, b in zip(found, outcome(entry, **wide), strict=True):
        if isinstance(b, np.ndarray) and a.dtype == b.dtype == np.float64:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)


# Layers and models --------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [minibn.BatchNorm, minibn.BatchRenorm, minibn.RenormDebias],
                         ids=lambda make: make.__name__)
@pytest.mark.parametrize("x", [np.ones((2, 4)), np.ones((2, 3), int), np.ones((0, 3)), [[1.0]]],
                         ids=["channels", "integers", "empty", "list"])
def test_a_refused_batch_leaves_the_averages_alone(make, x):
    layer = make(3)
    layer.forward(np.ones((2, 3)), training=True)
    before = {key: np.copy(value) for key, value in layer.state.items()}
    with pytest.raises(REFUSALS):
        layer.forward(x, training=True)
    assert all(np.array_equal(layer.state[key], value) for key, value in before.items())


@pytest.mark.parametrize("mode", ["batch", "moving"])
def test_averages_that_do_not_exist_yet_are_an_error(mode):
    layer = minibn.RenormDebias(3, test_mode=mode)
    with pytest.raises(ValueError, match="train for at least one step before testing"):
        layer.forward(np.ones((2, 3)))


@pytest.mark.parametrize("bound", ["r_max", "d_max"])
def test_a_ramp_needs_bounds(bound):
    with pytest.raises(ValueError, match="ramp needs r_max and d_max"):
        minibn.BatchRenorm(3, ramp=(1, 2, 3), **{bound: None})


def test_a_ramp_may_be_a_step():
    layer = minibn.BatchRenorm(1, ramp=(0, 1, 1))
    assert layer.bounds() == (1, 0)
    layer = minibn.BatchRenorm(1, ramp=(5, 5, 5))
    layer.state["step"] = 5
    assert layer.bounds() == (1, 0)
    layer.state["step"] = 6
    assert layer.bounds() == (3, 5)


@pytest.mark.parametrize("make", [lambda: minibn.GroupNorm(4, 3), lambda: functional.group_norm(
    np.ones((2, 4)), np.ones(4), np.ones(4), 3)])
def test_groups_must_divide_the_channels(make):
    with pytest.raises(ValueError, match="groups must divide the 4 channels, not 3"):
        make()


@pytest.mark.parametrize("make", [minibn.BatchRenorm, minibn.RenormDebias])
def test_a_test_by_the_batch_is_no_training(make):
    layer = make(2, test_mode="batch")
    layer.state.update(step=1, moving_std=np.ones(2))
    with pytest.raises(RuntimeError, match="needs forward"):
        layer.backward(layer.forward(np.eye(2, dtype=np.float32)))


def test_an_unknown_test_mode_is_refused_later_too():
    layer = minibn.BatchRenorm(3)
    with pytest.raises(ValueError, match="test_mode must be one of moving, batch, not 'train'"):
        layer.test_mode = "train"
    assert layer.test_mode == "moving"


@pytest.mark.parametrize(("layers", "error", "message"), [
    ([], ValueError, "at least one layer"),
    ([5], TypeError, "layer1 must be a Layer, not int"),
    ([("a", None)], TypeError, "a must be a Layer, not NoneType"),
    ([(1, minibn.ReLU())], TypeError, "name of a layer must be a str, not 1"),
    ([("a",)], TypeError, r"a layer or a pair \(name, layer\), not \('a',\)"),
    ([("a", minibn.ReLU()), ("a", minibn.ReLU())], ValueError, "unique and without dots, not 'a'"),
    ([("a.b", minibn.ReLU())], ValueError, "unique and without dots, not 'a.b'"),
])
def test_what_sequential_refuses(layers, error, message):
    with pytest.raises(error, match=message):
        minibn.Sequential(*layers)


def test_a_layer_stands_in_a_model_once():
    """It remembers one forward pass, so twice in a model would make its gradients wrong."""
    relu = minibn.ReLU()
    with pytest.raises(ValueError, match="layer2 is layer1 again"):
        minibn.Sequential(relu, relu)


@pytest.mark.parametrize("layer", [minibn.ReLU(), minibn.BatchNorm(3), 5, None])
def test_weight_norm_needs_weights(layer):
    with pytest.raises(TypeError, match="layer must be one with weights"):
        minibn.WeightNorm(layer)


@pytest.mark.parametrize("x", [np.ones((1, 24, 24, 4), "f4"), np.ones((24, 24, 3), "f4"),
                               np.ones((1, 24, 24, 3), "u1"), np.ones((1, 24, 24, 3))],
                         ids=["channels", "rank", "integers", "float64 into float32"])
@pytest.mark.parametrize("network", [minibn.all_cnn, minibn.nin])
def test_networks_refuse_what_their_first_layer_refuses(network, x):
    with pytest.raises(REFUSALS, match=r"\b(x|w)\b"):
        network(2, width=2).forward(x)


@pytest.mark.parametrize("gradient", [np.ones((4, 2)), np.ones(8), np.ones((2, 4), "f4"), [1.0]],
                         ids=["turned", "flat", "float32", "list"])
def test_sgd_refuses_gradients_of_another_kind(gradient):
    layer = minibn.Linear(2, 4, dtype=np.float64)
    optimizer = SGD(layer, 0.1)
    layer.grads.update(w=gradient, b=np.zeros(4))
    with pytest.raises(REFUSALS, match="gradient of w"):
        optimizer.step()


def test_sgd_moves_parameters_however_they_lie_in_memory():
    layer = minibn.Linear(2, 4, bias=False, dtype=np.float64)
    layer.params["w"] = np.ones((4, 2)).T
    optimizer = SGD(layer, 0.5)
    layer.grads["w"] = np.ones((2, 4))
    optimizer.step()
    assert np.array_equal(layer.params["w"], np.full((2, 4), 0.5))


@pytest.mark.parametrize("lr", [np.nan, -1.0, "fast"])
def test_sgd_checks_every_new_rate(lr):
    optimizer = SGD(minibn.Linear(2, 4), 0.1)
    with pytest.raises(REFUSALS, match="lr"):
        optimizer.lr = lr
    assert optimizer.lr == 0.1


@pytest.mark.parametrize("model", [5, None, "model"])
def test_sgd_needs_a_layer(model):
    with pytest.raises(TypeError, match="model must be a layer, not"):
        SGD(model, 0.1)


def test_a_layer_of_ones_own_needs_its_passes():
    with pytest.raises(NotImplementedError):
        Layer().forward(np.ones((1, 1)))
