"""What a layer is: a forward pass, a backward pass and three dicts, and what each promises."""

import copy
import pickle

import numpy as np
import pytest
from cases import needs_kernels

import minibn
from minibn import functional
from minibn.kernels import winograd
from minibn.layers.conv import conv2d, conv2d_backward
from minibn.optim import SGD, step_schedule
from minibn.training.evaluation import in_test_mode, renormalizers

IMAGES, DENSE, C = (3, 6, 5, 4), (6, 4), 4
LAYERS = {  # every layer, and the shape of an input
    "bn": (lambda **k: minibn.BatchNorm(C, **k), IMAGES),
    "brn": (lambda **k: minibn.BatchRenorm(C, **k), IMAGES),
    "renorm_debias": (lambda **k: minibn.RenormDebias(C, **k), IMAGES),
    "ln": (lambda **k: minibn.LayerNorm(C, **k), IMAGES),
    "gn": (lambda **k: minibn.GroupNorm(C, **k), IMAGES),
    "wn": (lambda **k: minibn.WeightNorm(minibn.Conv2d(C, 3, 3, seed=0, **k)), IMAGES),
    "conv": (lambda **k: minibn.Conv2d(C, 3, 3, stride=2, padding=1, seed=0, **k), IMAGES),
    "linear": (lambda **k: minibn.Linear(C, 3, seed=0, **k), DENSE),
    "relu": (lambda **k: minibn.ReLU(), IMAGES),
    "elu": (lambda **k: minibn.ELU(), IMAGES),
    "max pool": (lambda **k: minibn.MaxPool2d(3, 2, ceil_mode=True), IMAGES),
    "avg pool": (lambda **k: minibn.AvgPool2d(2, 2), IMAGES),
    "global avg pool": (lambda **k: minibn.GlobalAvgPool(), IMAGES),
    "dropout": (lambda **k: minibn.Dropout(0.5, seed=0), IMAGES),
    "sequential": (lambda **k: minibn.Sequential(minibn.Conv2d(C, 3, 3, seed=0, **k),
                                                 minibn.BatchNorm(3, **k), minibn.ReLU()), IMAGES),
    "all_cnn": (lambda **k: minibn.all_cnn(5, "renorm_debias", 8, **k), (2, 24, 24, 3)),
    "nin": (lambda **k: minibn.nin(5, "brn", 12, **k), (2, 24, 24, 3)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
WITH_STATE = {"bn": {"moving_mean", "moving_var", "step"},
              "brn": {"moving_mean", "moving_std", "step"},
              "renorm_debias": {"moving_mean", "moving_std", "step"}}


@pytest.fixture
def drawn(name, rng):
    """A fresh layer and a function that draws float32 inputs for it."""
    make, shape = LAYERS[name]
    return make(), lambda: rng.normal(0.5, 2.0, shape).astype(np.float32)


def backward(layer, dy):
    """A model leaves out the gradient of the images unless asked."""
    if isinstance(layer, minibn.Sequential):
        return layer.backward(dy, input_gradient=True)
    return layer.backward(dy)


# Dicts of live arrays -----------------------------------------------------------------------------

@every_layer
def test_gradients_have_the_keys_shapes_and_dtypes_of_the_parameters(drawn, rng):
    layer, draw = drawn
    y = layer.forward(draw(), training=True)
    backward(layer, rng.normal(size=y.shape).astype(np.float32))
    assert list(layer.grads) == list(layer.params)
    for key, p in layer.params.items():
        assert layer.grads[key].shape == p.shape and layer.grads[key].dtype == p.dtype == "f4"


@every_layer
def test_gradients_are_assigned_never_accumulated(drawn, rng):
    layer, draw = drawn
    x = draw()
    y = layer.forward(x, training=True)
    dy = rng.normal(size=y.shape).astype(np.float32)
    backward(layer, dy)
    first = {key: g.copy() for key, g in layer.grads.items()}
    backward(layer, dy)
    assert all(np.array_equal(layer.grads[key], first[key]) for key in first)


@every_layer
def test_parameters_are_live(drawn):
    """What is written into params acts at the next forward: the optimizer works in place."""
    layer, draw = drawn
    x = draw()
    layer.forward(x, training=True)
    before = layer.forward(x)
    for p in layer.params.values():
        p *= 2
        p += 0.1
    assert np.array_equal(layer.forward(x), before) == (not layer.params)


@pytest.mark.parametrize("name", WITH_STATE)
def test_state_is_float64_and_counts_steps(drawn, name):
    layer, draw = drawn
    assert set(layer.state) == WITH_STATE[name]
    for step in range(3):
        assert layer.state["step"] == step
        assert np.issubdtype(np.asarray(layer.state["step"]).dtype, np.integer)
        for key in WITH_STATE[name] - {"step"}:
            assert layer.state[key].dtype == np.float64 and layer.state[key].shape == (C,)
        layer.forward(draw(), training=True)


@every_layer
def test_evaluation_changes_no_state(drawn):
    layer, draw = drawn
    layer.forward(draw(), training=True)
    before = {key: np.copy(value) for key, value in layer.state.items()}
    x = draw()
    assert np.array_equal(layer.forward(x), layer.forward(x))
    assert all(np.array_equal(layer.state[key], before[key]) for key in before)


@pytest.mark.parametrize("name", WITH_STATE)
def test_state_carries_over(drawn, name):
    """The state dict is all there is: a copy of it makes another layer answer the same."""
    layer, draw = drawn
    for _ in range(3):
        layer.forward(draw(), training=True)
    other = LAYERS[name][0]()
    for key, value in layer.state.items():
        other.state[key] = np.copy(value) if np.ndim(value) else value
    x = draw()
    assert np.array_equal(layer.forward(x), other.forward(x))
    assert np.array_equal(layer.forward(x, training=True), other.forward(x, training=True))


@pytest.mark.parametrize("make, start", [
    (minibn.BatchNorm, {"moving_mean": 0, "moving_var": 1, "step": 0}),
    (minibn.BatchRenorm, {"moving_mean": 0, "moving_std": 1, "step": 0}),
    (minibn.RenormDebias, {"moving_mean": 0, "moving_std": 0, "step": 0})])
def test_where_averages_start(make, start):
    layer = make(C)
    assert all(np.all(layer.state[key] == value) for key, value in start.items())
    assert np.all(layer.params["gamma"] == 1) and np.all(layer.params["beta"] == 0)


@pytest.mark.parametrize("make, given", [
    (minibn.BatchNorm, {"decay": 0.99, "eps": 1e-5}),
    (minibn.BatchRenorm, {"decay": 0.99, "r_max": 3, "d_max": 5, "eps": 1e-5,
                          "update_first": True, "ramp": None, "test_mode": "moving"}),
    (minibn.RenormDebias, {"decay": 0.99, "r_max": 3, "d_max": 5, "eps": 1e-5,
                           "test_mode": "batch", "eps_inside": True}),
    (minibn.LayerNorm, {"eps": 1e-5}),
    (minibn.GroupNorm, {"eps": 1e-5})])
def test_defaults_are_the_papers(make, given, rng):
    """A layer made with the defaults and one made with them spelled out never differ."""
    default, spelled = make(C, dtype=np.float64), make(C, dtype=np.float64, **given)
    for scale in [1e-3] * 9 + [100]:                           # ε matters, and then both clips
        x = scale * rng.normal(20, 2, DENSE)
        assert np.array_equal(default.forward(x, training=True), spelled.forward(x, training=True))
    assert np.array_equal(default.forward(x), spelled.forward(x))


@pytest.mark.parametrize("name, more", [
    ("batch_norm", ()), ("batch_renorm", (np.ones(C), np.zeros(C))),
    ("layer_norm", ()), ("group_norm", (2,))])
def test_default_epsilon(name, more, rng):
    function = getattr(functional, name)
    arguments = 1e-3 * rng.normal(size=DENSE), np.ones(C), np.zeros(C), *more
    assert np.array_equal(function(*arguments)[0], function(*arguments, 1e-5)[0])


# Forward and backward -----------------------------------------------------------------------------

@every_layer
def test_backward_needs_a_training_forward(drawn):
    layer, draw = drawn
    with pytest.raises((RuntimeError, ValueError), match="forward"):
        layer.backward(draw())


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"renorm_debias", "all_cnn"}))
def test_an_evaluation_is_no_training_forward(drawn):
    layer, draw = drawn
    y = layer.forward(draw())
    with pytest.raises((RuntimeError, ValueError), match="forward"):
        layer.backward(y)


@every_layer
def test_an_evaluation_leaves_the_backward_pass_alone(drawn, rng):
    """Backward belongs to the last training forward, whatever was tested since."""
    layer, draw = drawn
    y = layer.forward(draw(), training=True)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dx = backward(layer, dy)
    layer.forward(draw())
    assert np.array_equal(backward(layer, dy), dx)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(name, dtype, rng):
    make, shape = LAYERS[name]
    layer = make(dtype=dtype)
    x = rng.normal(size=shape).astype(dtype)
    y = layer.forward(x, training=True)
    assert y.dtype == layer.forward(x).dtype == dtype
    assert backward(layer, np.ones_like(y)).dtype == dtype
    assert all(g.dtype == dtype for g in layer.grads.values())


@every_layer
def test_arguments_stay_as_they_were(drawn, rng):
    """Read-only arrays make any write an error."""
    layer, draw = drawn
    x = draw()
    x.flags.writeable = False
    y = layer.forward(x, training=True)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dy.flags.writeable = False
    backward(layer, dy)
    layer.forward(x)


@every_layer
def test_results_are_never_written_again(drawn, rng):
    """What a layer has returned belongs to the caller, whatever it computes later."""
    layer, draw = drawn
    y = layer.forward(draw(), training=True)
    dx = backward(layer, rng.normal(size=y.shape).astype(np.float32))
    results = [y, dx, *layer.grads.values()]
    copies = [a.copy() for a in results]
    layer.forward(draw(), training=True)
    backward(layer, rng.normal(size=y.shape).astype(np.float32))
    layer.forward(draw())
    assert all(np.array_equal(a, b) for a, b in zip(results, copies, strict=True))


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"dropout", "nin"}))
def test_sizes_may_change_from_call_to_call(name, rng):
    """Memory that a layer keeps for its next step holds nothing that the next step would see."""
    make, shape = LAYERS[name]
    used, fresh = make(), make()
    larger = (shape[0] + 2, *(2 * side for side in shape[1:-1]), shape[-1])
    y = used.forward(rng.normal(size=larger).astype(np.float32), training=True)
    backward(used, y)
    for key, value in used.state.items():
        fresh.state[key] = value if np.ndim(value) == 0 else value.copy()
    x = rng.normal(size=shape).astype(np.float32)
    y = used.forward(x, training=True)
    assert np.array_equal(fresh.forward(x, training=True), y)
    assert np.array_equal(backward(fresh, y), backward(used, y))
    assert all(np.array_equal(fresh.grads[key], used.grads[key]) for key in fresh.grads)


def test_max_pooling_hands_the_gradient_of_a_nan_to_the_nan():
    x = np.array([[1.0, np.nan, 5.0], [np.nan, 2.0, 6.0]]).reshape(1, 2, 3, 1)
    y, cache = functional.max_pool2d(x, 2, 1)
    assert np.isnan(y).all()
    dx = functional.max_pool2d_backward(np.array([3.0, 4.0]).reshape(1, 1, 2, 1), cache)
    np.testing.assert_array_equal(dx[0, ..., 0], [[0, 7, 0], [0, 0, 0]])


@pytest.mark.parametrize("name, y", [
    ("max pool", [3, 5]), ("avg pool", [2.5, 4.5])])
def test_pooling_of_a_small_image(name, y):
    x = np.array([[2.0, 3, 4, 5], [2, 3, 4, 5]])[None, :, :, None]
    layer = {"max pool": minibn.MaxPool2d, "avg pool": minibn.AvgPool2d}[name](2, 2)
    assert layer.forward(x).ravel().tolist() == y


def test_ties_in_a_maximum_go_to_the_first_in_row_major_order():
    layer = minibn.MaxPool2d(2, 2)
    layer.forward(np.array([[1.0, 7, 0, 0], [7, 7, 0, 0]])[None, :, :, None], training=True)
    dx = layer.backward(np.array([[3.0, 5.0]])[None, :, :, None])
    assert dx[0, :, :, 0].tolist() == [[0, 3, 5, 0], [0, 0, 0, 0]]


def test_relu_has_slope_zero_at_zero():
    layer = minibn.ReLU()
    assert layer.forward(np.array([[-1.0, 0, 2]]), training=True).tolist() == [[0, 0, 2]]
    assert layer.backward(np.full((1, 3), 5.0)).tolist() == [[0, 0, 5]]


# Dropout ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5])
def test_dropout_keeps_the_mean(rate):
    """It drops a share `rate` and scales what is left by 1/(1 − rate); testing changes nothing."""
    x = np.ones((200, 10, 10, 10))
    layer = minibn.Dropout(rate, seed=5)
    y = layer.forward(x, training=True)
    assert set(np.unique(y)) <= {0.0, 1 / (1 - rate)}
    standard_error = np.sqrt(rate * (1 - rate) / x.size)
    assert abs((y == 0).mean() - rate) <= 5 * standard_error
    assert np.array_equal(layer.backward(x), y)                # the same mask, the same scale
    assert np.array_equal(layer.forward(x), x)


def test_dropout_draws_anew_and_repeats_with_its_seed():
    x = np.ones((10, 50))
    one, two, other = minibn.Dropout(0.5, seed=1), minibn.Dropout(0.5, seed=1), minibn.Dropout(0.5)
    masks = [one.forward(x, training=True) for _ in range(3)]
    assert not np.array_equal(masks[0], masks[1])
    for mask in masks:
        two.forward(x)                                         # a test draws nothing
        assert np.array_equal(two.forward(x, training=True), mask)
    assert one.state["step"] == two.state["step"] == 3
    assert not np.array_equal(other.forward(x, training=True), masks[0])


@pytest.mark.parametrize("rate", [1, -0.5, 2, np.nan, None])
def test_a_rate_of_dropout_that_is_assigned_is_checked(rate):
    layer = minibn.Dropout(0.5)
    layer.rate = rate
    with pytest.raises((ValueError, TypeError), match="rate must be"):
        layer.forward(np.ones((2, 3)), training=True)
    assert layer.state["step"] == 0


# Composition --------------------------------------------------------------------------------------

def test_sequential_names_its_layers():
    model = minibn.Sequential(("first", minibn.Linear(4, 3)), ("act", minibn.ReLU()),
                              ("second", minibn.Linear(3, 2)))
    assert list(model.params) == ["first.w", "first.b", "second.w", "second.b"]
    assert [name for name in model.layers] == ["first", "act", "second"]
    assert isinstance(model["act"], minibn.ReLU)
    for key in model.params:
        layer, _, parameter = key.partition(".")
        assert model.params[key] is model[layer].params[parameter]


def test_sequential_without_names_has_unique_keys():
    model = minibn.Sequential(minibn.Linear(4, 3), minibn.ReLU(), minibn.Linear(3, 2))
    assert [p.shape for p in model.params.values()] == [(4, 3), (3,), (3, 2), (2,)]
    assert len(set(model.layers)) == 3


def test_the_parameters_of_a_model_can_be_set_and_neither_added_nor_removed():
    model = minibn.Sequential(("one", minibn.Linear(4, 3)), ("two", minibn.Linear(3, 2)))
    new = {"one.b": np.full(3, 1, np.float32), "two.b": np.full(2, 2, np.float32)}
    model.params.update(new)
    assert model["one"].params["b"] is new["one.b"] and model["two"].params["b"] is new["two.b"]
    params = model.params
    with pytest.raises(KeyError, match="no layer holds 'three.b' in its params"):
        params.update({"three.b": np.zeros(2)})
    before = list(params)
    for change in (lambda: params.pop("one.w"), lambda: params.clear(), lambda: params.popitem(),
                   lambda: params.setdefault("three.w", 0), lambda: params.__delitem__("one.w"),
                   lambda: params.__ior__(new)):
        with pytest.raises(TypeError, match="params of a model .* neither added nor removed"):
            change()
    assert list(params) == before == list(model.params)


@pytest.mark.parametrize("copy", [copy.deepcopy, copy.copy,
                                  lambda params: pickle.loads(pickle.dumps(params))])
def test_a_copy_of_the_parameters_is_a_dict(copy):
    model = minibn.Sequential(("one", minibn.Linear(4, 3)))
    kept = copy(model.params)
    assert type(kept) is dict and list(kept) == ["one.w", "one.b"]
    assert np.array_equal(kept["one.w"], model["one"].params["w"])


def test_a_layer_in_two_places_is_found_in_models_of_models():
    relu = minibn.ReLU()
    inner = minibn.Sequential(("linear", minibn.Linear(3, 3)), ("relu", relu))
    with pytest.raises(ValueError, match="net.relu is first again"):
        minibn.Sequential(("first", relu), ("net", inner))
    with pytest.raises(ValueError, match="other is net again"):
        minibn.Sequential(("net", inner), ("other", inner))
    assert [name for name, _ in minibn.Sequential(("net", inner)).places()] == [
        "net", "net.linear", "net.relu"]


def test_a_model_is_a_layer(rng):
    """Models in a model: the same outputs, gradients and test modes as of all layers in a row."""
    flat = minibn.all_cnn(5, "renorm_debias", 4)
    names = list(flat.layers)
    thirds = np.array_split(np.array(names), 3)
    nested = minibn.Sequential(*(
        (f"part{k}", minibn.Sequential(*((name, copy.deepcopy(flat[name])) for name in third)))
        for k, third in enumerate(thirds)))
    x = rng.normal(size=(3, 24, 24, 3)).astype(np.float32)
    y = flat.forward(x, training=True)
    assert np.array_equal(nested.forward(x, training=True), y)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dx = flat.backward(dy, input_gradient=True)
    assert np.array_equal(nested.backward(dy), dx) and dx.shape == x.shape
    assert nested.backward(dy, input_gradient=False) is None
    assert all(np.array_equal(a, b) for a, b in zip(flat.grads.values(), nested.grads.values(),
                                                    strict=True))
    assert nested.test_modes == flat.test_modes
    assert [layer.channels for layer in renormalizers(nested)] == [
        layer.channels for layer in renormalizers(flat)]
    for mode in flat.test_modes:
        with in_test_mode(flat, mode), in_test_mode(nested, mode):
            assert np.array_equal(nested.forward(x), flat.forward(x))


def test_the_state_of_a_model_is_that_of_its_layers(rng):
    model = minibn.all_cnn(5, "renorm_debias", 8)
    assert [key for key in model.state if key.startswith("norm1.")] == [
        f"norm1.{key}" for key in model["norm1"].state]
    for _ in range(2):
        model.forward(rng.normal(size=(2, 24, 24, 3)).astype(np.float32), training=True)
    for k in range(1, 10):
        assert model.state[f"norm{k}.step"] == model[f"norm{k}"].state["step"] == 2
        assert np.array_equal(model.state[f"norm{k}.moving_std"],
                              model[f"norm{k}"].state["moving_std"])


@pytest.mark.parametrize("make, shape", [
    (lambda: minibn.Conv2d(C, 5, 3, seed=0), IMAGES), (lambda: minibn.Linear(C, 5, seed=0), DENSE)])
def test_weight_norm_starts_where_its_layer_is(make, shape, rng):
    """g = ‖v‖ at first, so the output does not change; w itself is gone, b stays."""
    x = rng.normal(size=shape).astype(np.float32)
    bare = make()
    layer = minibn.WeightNorm(make())
    assert list(layer.params) == ["v", "g", "b"]
    assert np.array_equal(layer.params["v"], bare.params["w"])
    axes = tuple(range(layer.params["v"].ndim - 1))
    assert layer.params["g"] == pytest.approx(np.sqrt((bare.params["w"] ** 2).sum(axes)), rel=1e-6)
    assert layer.forward(x) == pytest.approx(bare.forward(x), rel=1e-5, abs=1e-5)


def test_weight_norm_of_a_layer_without_bias(rng):
    layer = minibn.WeightNorm(minibn.Linear(C, 5, bias=False))
    y = layer.forward(rng.normal(size=DENSE).astype(np.float32), training=True)
    layer.backward(y)
    assert list(layer.params) == list(layer.grads) == ["v", "g"]


def test_weight_norm_takes_a_new_bias(rng):
    layer = minibn.WeightNorm(minibn.Linear(C, 5, dtype=np.float64))
    x = rng.normal(size=DENSE)
    before = layer.forward(x)
    layer.params["b"] = np.arange(5.0)
    assert layer.forward(x) == pytest.approx(before + np.arange(5), rel=1e-12)


def test_weight_norm_leaves_out_the_gradient_that_its_layer_may_leave_out(rng):
    layer = minibn.WeightNorm(minibn.Conv2d(C, 5, 3))
    y = layer.forward(rng.normal(size=IMAGES).astype(np.float32), training=True)
    assert minibn.Sequential(layer).backward(y, input_gradient=False) is None


def test_a_test_of_weight_norm_leaves_the_training_pass_alone(rng):
    """A test with other weights comes in between: backward still belongs to the training pass."""
    layer = minibn.WeightNorm(minibn.Linear(C, 5, dtype=np.float64))
    x, dy = rng.normal(size=DENSE), rng.normal(size=(DENSE[0], 5))
    layer.forward(x, training=True)
    layer.backward(dy)
    expected = layer.grads["v"]
    layer.params["g"] = 2 * layer.params["g"]
    layer.forward(x)
    layer.backward(dy)
    assert np.array_equal(layer.grads["v"], expected)


def test_weight_norm_sees_only_the_direction_of_v(rng):
    layer = minibn.WeightNorm(minibn.Linear(C, 5, dtype=np.float64))
    x = rng.normal(size=DENSE)
    before = layer.forward(x)
    layer.params["v"] *= 7
    assert layer.forward(x) == pytest.approx(before, rel=1e-12)
    layer.params["g"] *= 2
    assert layer.forward(x) == pytest.approx(2 * before, rel=1e-12)


def test_weight_norm_of_a_zero_v_raises():
    v = np.ones((3, 2))
    v[:, 1] = 0
    with pytest.raises(ValueError, match="v"):
        functional.weight_norm(v, np.ones(2))


# Initialization -----------------------------------------------------------------------------------

@pytest.mark.parametrize("make, fan_in", [
    (lambda seed: minibn.Conv2d(32, 64, 3, seed=seed), 32 * 9),
    (lambda seed: minibn.Conv2d(100, 300, 1, seed=seed), 100),
    (lambda seed: minibn.Linear(200, 100, seed=seed), 200)])
def test_he_initialization(make, fan_in):
    """Normal, mean 0, variance 2/fan-in: within five standard errors. Biases start at zero."""
    layer = make(0)
    w = layer.params["w"].astype(np.float64)
    std = np.sqrt(2 / fan_in)
    assert abs(w.mean()) < 5 * std / np.sqrt(w.size)
    assert abs(w.std() / std - 1) < 5 / np.sqrt(2 * w.size)
    assert abs(((w / std) ** 4).mean() - 3) < 5 * np.sqrt(96 / w.size)     # normal, not uniform
    assert np.all(layer.params["b"] == 0)
    assert np.array_equal(w, make(0).params["w"])
    assert not np.array_equal(w, make(1).params["w"])


# Optimizer ----------------------------------------------------------------------------------------

def test_sgd_with_momentum(rng):
    """v ← momentum·v + g, p ← p − lr·v, in place; lr may change between steps."""
    model = minibn.Sequential(("fc", minibn.Linear(4, 3, dtype=np.float64)))
    optimizer = SGD(model, lr=0.1, momentum=0.9)
    live = model.params["fc.w"]
    w, v = live.copy(), np.zeros((4, 3))
    for optimizer.lr in (0.1, 0.1, 0.01):
        model.forward(rng.normal(size=(5, 4)), training=True)
        model.backward(rng.normal(size=(5, 3)))
        g = model.grads["fc.w"].copy()
        optimizer.step()
        v = 0.9 * v + g
        w = w - optimizer.lr * v
        assert live == pytest.approx(w, rel=1e-12)
        assert np.array_equal(model.grads["fc.w"], g)
    assert model.params["fc.w"] is live


@pytest.mark.parametrize("norm", ["bn", "ln"])
def test_weight_decay_pulls_on_weights_and_never_on_gamma_and_beta(norm, rng):
    """g + weight_decay·p for weights. With zero gradients only the decay is left."""
    model = minibn.all_cnn(5, norm, 8, dtype=np.float64)
    for p in model.params.values():
        p += 0.5
    model.forward(rng.normal(size=(2, 24, 24, 3)), training=True)
    model.backward(np.zeros((2, 5)))
    before = {key: p.copy() for key, p in model.params.items()}
    SGD(model, lr=0.1, momentum=0.9, weight_decay=0.2).step()
    for key, p in model.params.items():
        if key.endswith((".gamma", ".beta")):
            assert np.array_equal(p, before[key]), key
        elif key.endswith(".w"):
            assert p == pytest.approx(before[key] * (1 - 0.1 * 0.2), rel=1e-12), key


@pytest.mark.parametrize("epoch, every, lr", [
    (0, 26, 0.1), (25, 26, 0.1), (26, 26, 0.01), (51, 26, 0.01), (52, 26, 0.001), (99, 26, 1e-4),
    (63, 64, 0.1), (64, 64, 0.01)])
def test_step_schedule(epoch, every, lr):
    """The paper's: a tenth every 64 epochs at batch 128, every 26 at batch 10 and 5."""
    assert step_schedule(0.1, epoch, every) == pytest.approx(lr, rel=1e-12)


def test_step_schedule_with_another_factor():
    assert step_schedule(0.8, 7, 3, factor=0.5) == pytest.approx(0.2)


@needs_kernels
# How the work is divided --------------------------------------------------------------------------

@pytest.mark.parametrize("together", [1, winograd.TOGETHER])
@pytest.mark.parametrize("kept", [0, winograd.KEPT])
def test_tiles_are_the_same_in_blocks_and_with_v_made_again(monkeypatch, rng, together, kept):
    x, w = rng.standard_normal((5, 12, 12, 24)), rng.standard_normal((3, 3, 24, 25))
    dy = rng.standard_normal((5, 12, 12, 25))
    assert winograd.tile_size(x, w, stride=1, padding=1)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1000)                     # directly
    y, cache = functional.conv2d(x, w, padding=1)
    dx, dw, _ = functional.conv2d_backward(dy, cache)
    monkeypatch.undo()
    monkeypatch.setattr(winograd, "TOGETHER", together)
    monkeypatch.setattr(winograd, "KEPT", kept)
    tiled, cache = functional.conv2d(x, w, padding=1)
    assert (cache.kept is None) == (kept == 0)
    found = functional.conv2d_backward(dy, cache)
    for got, want in ((tiled, y), (found[0], dx), (found[1], dw)):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())
    without = conv2d_backward(dy, cache, input_gradient=False)
    assert without[0] is None and np.array_equal(without[1], found[1])


@pytest.mark.parametrize("height, width, padding, stride",
                         [(9, 4, 0, 7), (4, 9, 0, 7), (5, 5, 3, 8)])
def test_strides_nearly_as_long_as_the_image(height, width, padding, stride, rng):
    x, w = rng.standard_normal((1, height, width, 1)), rng.standard_normal((2, 2, 1, 1))
    padded = np.pad(x[0, :, :, 0], padding)
    want = [[(padded[i:i + 2, j:j + 2] * w[..., 0, 0]).sum()
             for j in range(0, padded.shape[1] - 1, stride)]
            for i in range(0, padded.shape[0] - 1, stride)]
    np.testing.assert_allclose(conv2d(x, w, None, stride, padding)[0][0, :, :, 0], want, atol=1e-12)


@pytest.mark.parametrize("images, height, width, padding, m", [
    (5, 4, 64, 1, 4), (5, 64, 4, 1, 4), (5, 6, 66, 0, 4), (5, 66, 6, 0, 4), (5, 2, 62, 2, 4),   # 80
    (4, 4, 64, 1, 2), (5, 4, 60, 1, 2), (2, 4, 64, 1, 2), (1, 4, 64, 1, None),
    (9, 9, 9, 1, 3), (8, 9, 9, 1, None), (5, 6, 24, 1, 3), (5, 24, 6, 1, 3), (5, 10, 16, 1, 2),
    (100, 7, 7, 1, None), (100, 5, 8, 1, None)])
def test_tiles_are_the_largest_that_fit_and_are_eighty(images, height, width, padding, m):
    x, w = np.zeros((images, height, width, 24)), np.zeros((3, 3, 24, 24))
    assert winograd.tile_size(x, w, stride=1, padding=padding) == m
    assert winograd.tile_size(x, w, stride=2, padding=padding) is None
    assert winograd.tile_size(x, w[..., :23], stride=1, padding=padding) is None
    assert winograd.tile_size(x[..., :23], w[:, :, :23], stride=1, padding=padding) is None


@pytest.mark.parametrize("stride", [7, 2**61, 2**70])
def test_a_stride_beyond_the_image_leaves_one_window(stride, rng):
    x, w = rng.standard_normal((2, 5, 4, 3)), rng.standard_normal((3, 2, 3, 4))
    y, cache = conv2d(x, w, stride=stride, padding=1)
    dx, dw, _ = conv2d_backward(y, cache)
    window = np.pad(x, [(0, 0), (1, 0), (1, 0), (0, 0)])[:, :3, :2]
    np.testing.assert_allclose(y[:, 0, 0], np.einsum("npqc,pqcf->nf", window, w))
    np.testing.assert_allclose(dw, np.einsum("npqc,nf->pqcf", window, y[:, 0, 0]))
    np.testing.assert_allclose(dx[:, :2, :1], np.einsum("nf,pqcf->npqc", y[:, 0, 0], w[1:, 1:]))
    assert y.shape == (2, 1, 1, 4) and not dx[:, 2:].any() and not dx[:, :, 1:].any()


@needs_kernels
def test_v_is_kept_up_to_its_limit_and_where_it_is_wanted(monkeypatch, rng):
    x, w = rng.standard_normal((5, 12, 12, 24)), rng.standard_normal((3, 3, 24, 25))
    assert winograd.tile_size(x, w, stride=1, padding=1) == 3
    values = 5 * 16 * 25 * 24                                  # images × tiles × points × channels
    for limit, kept in ((values, True), (values - 1, False)):
        monkeypatch.setattr(winograd, "KEPT", limit)
        points = conv2d(x, w, padding=1)[1].kept
        assert (points is not None) == kept
        assert not kept or sum(v.size for v in points) == values
    assert conv2d(x, w, padding=1, keep=False)[1] is None


def test_a_watcher_sees_the_output_of_every_layer(rng):
    model = minibn.Sequential(minibn.Conv2d(2, 3, 3), minibn.ReLU())
    x, seen = rng.standard_normal((1, 4, 4, 2)).astype(np.float32), {}
    y = model.forward(x, watch=seen.__setitem__)
    assert list(seen) == ["layer1", "layer2"] and seen["layer2"] is y
    assert np.array_equal(np.maximum(seen["layer1"], 0), y)


def test_a_key_that_no_layer_holds_cannot_be_set():
    model = minibn.Sequential(minibn.Conv2d(2, 2, 3))
    for key in ("layer1.v", "layer2.w", "w"):
        with pytest.raises(KeyError, match=f"no layer holds '{key}' in its params"):
            model.params[key] = np.zeros(1)


# Defaults -----------------------------------------------------------------------------------------

def test_defaults_are_those_of_the_documentation(rng):
    x = rng.standard_normal((2, 6, 5, 3))
    assert np.array_equal(functional.elu(x)[0], functional.elu(x, alpha=1.0)[0])
    for pool in (functional.max_pool2d, functional.avg_pool2d):
        assert np.array_equal(pool(x, 3, 2)[0], pool(x, 3, 2, ceil_mode=False)[0])
        assert pool(x, 3, 2)[0].shape != pool(x, 3, 2, ceil_mode=True)[0].shape
    for layer in (minibn.MaxPool2d, minibn.AvgPool2d):
        assert layer(3, 2).forward(x).shape == (2, 2, 2, 3)
        assert np.array_equal(layer(1, 1).forward(x), x)
    w = rng.standard_normal((3, 3, 3, 2))
    assert np.array_equal(functional.conv2d(x, w)[0],
                          functional.conv2d(x, w, None, stride=1, padding=0)[0])
    for plain, full in ((minibn.Conv2d(3, 2, 3, seed=0), minibn.Conv2d(3, 2, 3, 1, 0, True, 0)),
                        (minibn.Linear(3, 2, seed=0), minibn.Linear(3, 2, True, 0))):
        assert plain.params.keys() == full.params.keys() == {"w", "b"}
        assert np.array_equal(plain.params["w"], full.params["w"])
    assert minibn.Conv2d(3, 2, 3).forward(x.astype(np.float32)).shape == (2, 4, 3, 2)


@pytest.mark.parametrize("image", [(2, 9), (9, 2), (1, 1)])
def test_a_kernel_larger_than_the_padded_image_is_refused(image):
    w = np.zeros((5, 5, 1, 1))
    assert functional.conv2d(np.zeros((1, 3, 9, 1)), w, padding=1)[0].shape == (1, 1, 7, 1)
    with pytest.raises(ValueError, match=f"x of {image[0]}x{image[1]}, padded by 1, is smaller"):
        functional.conv2d(np.zeros((1, *image, 1)), w, padding=1)


@pytest.mark.parametrize("make", [lambda **k: minibn.Conv2d(1, 1, 1, seed=0, **k),
                                  lambda **k: minibn.Linear(1, 1, seed=0, **k)],
                         ids=["conv", "linear"])
def test_without_bias_there_is_no_gradient_of_one(make):
    """And one channel in and out is enough."""
    layer = make(bias=False)
    x = np.ones((2, 1, 1, 1) if isinstance(layer, minibn.Conv2d) else (2, 1), np.float32)
    layer.backward(np.ones_like(layer.forward(x, training=True)))
    assert layer.params.keys() == layer.grads.keys() == {"w"}
    assert layer.grads["w"].sum() == 2


def test_elu_at_zero_has_the_slope_of_its_lower_branch():
    y, cache = functional.elu(np.zeros(1), alpha=0.5)
    assert y == 0 and functional.elu_backward(np.ones(1), cache) == 0.5


@pytest.mark.parametrize("shape", [(1, 3, 5, 1), (1, 5, 3, 1)])
@pytest.mark.parametrize("pool", [functional.max_pool2d, functional.avg_pool2d])
def test_a_window_larger_than_the_image_is_refused(pool, shape):
    assert pool(np.zeros(shape), 3, 1)[0].size == 3
    with pytest.raises(ValueError, match=f"size must not exceed the image, {shape[1]}x{shape[2]}"):
        pool(np.zeros(shape), 4, 1)
