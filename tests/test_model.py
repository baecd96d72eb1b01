"""A model as its users expect it: shown, indexed, saved, copied, extended, and never silent."""

import copy
import json
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minibn
from minibn.data import make_synthetic
from minibn.norms import NORMS
from minibn.training import Recipe
from minibn.training.checkpoint import load_model

DATA = make_synthetic(train=20, test=10)


class Scale(minibn.Layer):
    """The example of Layer's docstring, with state of every kind."""

    def __init__(self, channels):
        super().__init__()
        self.params["gamma"] = np.ones(channels, np.float32)
        self.state = {"count": 0, "share": 0.5, "on": True, "mean": np.zeros(channels),
                      "last": np.float32(0)}

    def forward(self, x, training=False):
        if training:
            self.cache = x
            self.state["count"] += 1
        return self.params["gamma"] * x

    def backward(self, dy):
        x = self.remembered()
        self.grads["gamma"] = (dy * x).sum(tuple(range(x.ndim - 1)))
        return self.params["gamma"] * dy


def small(norm="renorm_debias", seed=0):
    """A trained model of every kind of layer, one of our own included."""
    model = minibn.Sequential(
        ("net", minibn.all_cnn(4, norm, 3, seed)), ("scale", Scale(4)),
        ("drop", minibn.Dropout(0.5, seed=1)), ("out", minibn.Linear(4, 3, seed=seed)))
    optimizer, x = minibn.SGD(model, 0.1), images()
    for _ in range(3):
        model.backward(model.forward(x, training=True))
        optimizer.step()
    return model


def images():
    return np.random.default_rng(5).standard_normal((4, 24, 24, 3), np.float32)


def contents(model):
    return {**{name: p.copy() for name, p in model.params.items()},
            **{name: copy.copy(s) for name, s in model.state.items()}}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert type(found[name]) is type(value), name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


# Shown

def test_the_table_of_a_model_has_every_layer_and_its_parameters():
    model = minibn.all_cnn(10, "bn", 12)
    title, header, *lines = repr(model).splitlines()
    assert title == "Sequential: 28 layers, 28,736 parameters"
    assert header.split() == ["name", "layer", "parameters", "number"]
    numbers = []
    for index, (line, (name, layer)) in enumerate(zip(lines, model.layers.items(), strict=True)):
        words = line.split()
        assert words[:3] == [str(index), name, type(layer).__name__]
        numbers.append(int(words[-1].replace(",", "")))
    assert numbers == [sum(p.size for p in layer.params.values()) for layer in model]
    assert "w (3, 3, 3, 12)" in lines[0] and "gamma (12,), beta (12,)" in lines[1]
    assert repr(model["conv1"]) == "Conv2d(w (3, 3, 3, 12))" and repr(model[2]) == "ReLU()"


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("network", [minibn.all_cnn, minibn.nin])
def test_the_summary_has_the_shapes_that_a_forward_pass_has(network, norm):
    model = network(7, norm, 4)
    before = contents(model)
    title, header, *lines = model.summary((20, 24, 3)).splitlines()
    assert title.endswith("input (20, 24, 3)") and header.split()[3] == "output"
    assert_equal(contents(model), before)                    # no average moved, no step counted
    assert all(layer.cache is None for layer in model)
    shapes = {}
    model.forward(np.zeros((2, 20, 24, 3), np.float32), training=True,
                  watch=lambda name, y: shapes.__setitem__(name, str(y.shape[1:])))
    column = slice(header.index("output"), header.index("number"))
    assert {line.split()[1]: line[column].rpartition(")")[0] + ")" for line in lines} == shapes


def test_a_summary_shows_models_in_a_model_and_own_layers():
    model = small()
    cache = model["scale"].cache
    table = model.summary((24, 24, 3))
    assert repr(table) == str(table) and "\n" in table       # so a Python prompt shows it well
    assert "net.conv9" in table and "Scale" in table and "gamma (4,)" in table
    assert model["scale"].cache is cache is not None         # and a backward may still come
    model.backward(np.ones((4, 3), np.float32))


@pytest.mark.parametrize(("shape", "error", "says"), [
    ((24, 24, 4), ValueError, r"conv1 \(Conv2d\) does not take the shape \(24, 24, 4\)"),
    ((24, 24), ValueError, "conv1"), ((0, 24, 3), ValueError, "input_shape must be at least 1"),
    (24, TypeError, "input_shape must be a tuple"), ("abc", TypeError, "input_shape"),
    ((24.0, 24, 3), TypeError, "input_shape must be an integer")])
def test_a_summary_of_a_shape_that_does_not_fit(shape, error, says):
    with pytest.raises(error, match=says):
        minibn.all_cnn(3, width=2).summary(shape)


# Indexed

def test_layers_by_name_index_and_iteration():
    model = small()
    names = list(model.layers)
    assert len(model) == 4 and list(model) == [model[name] for name in names]
    assert model[0] is model["net"] and model[-1] is model["out"] is model[np.int64(3)]
    assert model["net.norm1"] is model["net"]["norm1"] is model[0][1]
    assert "out" in model and model[0] in model and "norm1" not in model
    assert minibn.ReLU() not in model
    assert minibn.Sequential(minibn.ReLU())                  # a model counts as true


@pytest.mark.parametrize(("key", "error", "says"), [
    ("nrom1", KeyError, "no layer 'nrom1': did you mean norm1"), ("xyz", KeyError, "no layer"),
    ("conv1.w", KeyError, "no layer"), (28, IndexError, "no layer 28 in a model of 28"),
    (-29, IndexError, "no layer -29"), (1.0, TypeError, "float"), (None, TypeError, "None"),
    (slice(2), TypeError, "slice")])
def test_a_layer_that_is_not_there(key, error, says):
    with pytest.raises(error, match=says):
        minibn.all_cnn(3, width=2)[key]


# Saved

@pytest.mark.parametrize("norm", NORMS)
def test_a_saved_model_is_loaded_as_it_was(norm, tmp_path):
    model = small(norm)
    model.save(tmp_path / "new folder" / "model.npz")
    other = small(norm, seed=7)
    arrays = [p for p in other.params.values()]
    assert other.load(str(tmp_path / "new folder" / "model.npz")) is other
    assert_equal(contents(other), contents(model))
    assert all(a is b for a, b in zip(arrays, other.params.values(), strict=True))   # in place
    x = images()
    np.testing.assert_array_equal(other.forward(x), model.forward(x))
    np.testing.assert_array_equal(other.forward(x, training=True), model.forward(x, training=True))
    assert list((tmp_path / "new folder").iterdir()) == [tmp_path / "new folder" / "model.npz"]


def test_one_layer_alone_is_saved_too(tmp_path):
    layer = minibn.Linear(3, 2, seed=0)
    layer.save(tmp_path / "layer.npz")
    other = minibn.Linear(3, 2, seed=1).load(tmp_path / "layer.npz")
    np.testing.assert_array_equal(other.params["w"], layer.params["w"])
    with pytest.raises(ValueError, match="the layer is a Linear in the file and a Scale in the"):
        Scale(2).load(tmp_path / "layer.npz")


def test_a_checkpoint_of_training_is_read_into_a_model(tmp_path):
    file, recipe = tmp_path / "run.npz", Recipe(norm="brn", width=2, epochs=1, lr=0.01)
    minibn.train(recipe, DATA, checkpoint=file, progress=False)
    model = minibn.all_cnn(10, "brn", 2, seed=3).load(file)
    assert_equal(contents(model), contents(load_model(file)[0]))


DIFFERENT = [
    (lambda: minibn.all_cnn(4, "bn", 3),
     "norm1 is a BatchRenorm in the file and a BatchNorm in the model"),
    (lambda: minibn.all_cnn(4, "brn", 4),
     r"params/conv1.w is float32 \(3, 3, 3, 3\) in the file and float32 \(3, 3, 3, 4\) in the mod"),
    (lambda: minibn.all_cnn(4, "brn", 3, dtype="float64"), "params/conv1.w is float32 .* float64"),
    (lambda: minibn.all_cnn(5, "brn", 3), "params/conv9.w"),
    # The same names and shapes, of another meaning:
    (lambda: minibn.all_cnn(4, "renorm_debias", 3),
     "norm1 is a BatchRenorm in the file and a RenormDebias in the model"),
    (lambda: minibn.all_cnn(4, "brn", 3, final_relu=False), "relu9 is a ReLU in the file and mis"),
    (lambda: minibn.Sequential(minibn.all_cnn(4, "brn", 3)), "layer1.conv1 is missing in the file"),
    (lambda: minibn.Linear(3, 2), "the layer is missing in the file and a Linear in the model"),
]


@pytest.mark.parametrize(("make", "says"), DIFFERENT, ids=[says for _, says in DIFFERENT])
def test_the_first_difference_is_named_and_nothing_changes(make, says, tmp_path):
    minibn.all_cnn(4, "brn", 3).save(tmp_path / "model.npz")
    model = make()
    before = contents(model)
    with pytest.raises(ValueError, match=f"model.npz does not fit: .*{says}") as caught:
        model.load(tmp_path / "model.npz")
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
    assert_equal(contents(model), before)


def rewritten(path, change):
    """The archive with its members changed: change(members) -> None, members bytes by name."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def header_with(**changes):
    def change(members):
        start = members["header.npy"].index(b"{", members["header.npy"].index(b"\n"))
        text = json.dumps({**json.loads(members["header.npy"][start:]), **changes}).encode()
        np.save("header.npy", np.frombuffer(text, np.uint8))
        members["header.npy"] = Path("header.npy").read_bytes()
    return change


@pytest.mark.parametrize(("change", "says"), [
    (lambda m: m.pop("params/w.npy"), "does not fit: it has no params/w, which the model has"),
    (lambda m: m.update({"state/t.npy": m["params/w.npy"]}),
     "does not fit: it has state/t, which the model has not"),
    (lambda m: m.pop("header.npy"), "is not a model file, or is damaged"),
    (lambda m: m.update({"header.npy": m["params/w.npy"]}), "is not a model file, or is damaged"),
    (lambda m: m.update({"params/w.npy": m["params/w.npy"][:-1]}), "is not a model file"),
    (lambda m: m.update({"params/w.npy": b"nothing"}), "is not a model file, or is damaged"),
    (header_with(format=2), "has model format 2; this version reads 1"),
    (header_with(layers=3), "is not a model file, or is damaged"),
])
def test_files_that_are_no_model(change, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layer, file = minibn.Linear(3, 2, bias=False), Path("layer.npz")
    layer.save(file)
    layer.load(file)
    rewritten(file, change)
    before = layer.params["w"].copy()
    with pytest.raises(ValueError, match=f"layer.npz {says}"):
        layer.load(file)
    np.testing.assert_array_equal(layer.params["w"], before)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "pickle.npz", header=np.array([{}], object))
    for name in ("text.npz", "pickle.npz"):
        with pytest.raises(ValueError, match=f"{name} is not a model file, or is damaged"):
            minibn.Linear(2, 2).load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="absent.npz"):
        minibn.Linear(2, 2).load(tmp_path / "absent.npz")
    if Path("/dev/zero").exists():
        with pytest.raises(ValueError, match="a device or a pipe"):
            minibn.Linear(2, 2).load("/dev/zero")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_that_does_not_fit_takes_no_memory(compression, tmp_path):
    """Its headers are compared before an array is made, whatever they claim."""
    large = minibn.Linear(4000, 2000, bias=False, seed=0)    # 32 MB
    large.params["w"][...] = 0
    large.save(tmp_path / "large.npz")
    with zipfile.ZipFile(tmp_path / "large.npz") as whole, zipfile.ZipFile(
            tmp_path / "bomb.npz", "w", compression) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    small = minibn.Linear(3, 2, bias=False)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"params/w is float32 \(4000, 2000\) in the file"):
            small.load(tmp_path / "bomb.npz")
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [None, "text", [1, 2], np.array([None]), object(),
                                   np.array(["text"])])
def test_what_cannot_be_saved_is_named_and_leaves_no_file(value, tmp_path):
    layer = Scale(2)
    layer.state["odd"] = value
    with pytest.raises(TypeError, match="state/odd must be numbers to be saved"):
        layer.save(tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "model.npz"
    minibn.Linear(3, 2, seed=0).save(file)
    before = file.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        minibn.Linear(3, 2, seed=1).save(file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


# Copied

@pytest.mark.parametrize("norm", NORMS)
def test_a_deep_copy_is_independent(norm):
    model = small(norm)
    twin, before = copy.deepcopy(model), contents(model)
    x = images()
    np.testing.assert_array_equal(twin.forward(x), model.forward(x))
    optimizer = minibn.SGD(twin, 0.1)
    for _ in range(2):
        twin.backward(twin.forward(x, training=True))
        optimizer.step()
    assert_equal(contents(model), before)
    assert not any(np.shares_memory(a, b) for a, b in
                   zip(model.params.values(), twin.params.values(), strict=True))
    assert all(not np.array_equal(twin.params[name], model.params[name]) for name in ("out.w",))


# Never silent

def test_the_test_mode_of_a_model_is_that_of_all_its_normalizations():
    model = small()
    assert model.test_mode == "batch"
    model.test_mode = "moving"
    norms = [layer for _, layer in model.places() if isinstance(layer, minibn.RenormDebias)]
    assert len(norms) == 9 and {norm.test_mode for norm in norms} == {"moving"}
    assert model.test_mode == "moving"
    norms[0].test_mode = "batch"
    assert model.test_mode is None                           # they differ
    with pytest.raises(ValueError, match=r"test_mode of net.norm1 \(RenormDebias\) must be one of"):
        model.test_mode = "fast"
    assert norms[0].test_mode == "batch" and norms[1].test_mode == "moving"


def test_the_test_mode_of_models_with_one_mode_or_none():
    bn, gn = minibn.all_cnn(3, "bn", 2), minibn.all_cnn(3, "gn", 8)
    bn.test_mode = "moving"                                  # which it has anyway
    assert (bn.test_mode, gn.test_mode) == ("moving", None)
    with pytest.raises(ValueError, match="must be one of moving, not 'batch'"):
        bn.test_mode = "batch"
    with pytest.raises(ValueError, match="no layer of this model has test modes"):
        gn.test_mode = "moving"


@pytest.mark.parametrize(("name", "hint"), [
    ("test_mod", "did you mean test_mode"), ("testmode", "did you mean test_mode"),
    ("param", "did you mean params"), ("training", ""), ("decay", "")])
def test_an_unknown_attribute_of_a_model_is_an_error(name, hint):
    model = minibn.all_cnn(3, width=2)
    with pytest.raises(AttributeError, match=f"a Sequential has no attribute '{name}'.*{hint}"):
        setattr(model, name, "moving")
    assert not hasattr(model, name)


def test_what_a_model_has_can_be_set_and_a_subclass_may_have_more():
    model = minibn.all_cnn(3, width=2)
    model.input_gradient = True
    assert model.backward(model.forward(np.ones((1, 24, 24, 3), np.float32), training=True)
                          ).shape == (1, 24, 24, 3)
    with pytest.raises(AttributeError):
        model.params = {}

    class Net(minibn.Sequential):
        def __init__(self):
            super().__init__(minibn.Linear(2, 2))
            self.classes = 2

    assert Net().classes == 2 and repr(Net()).startswith("Net: 1 layer, 6 parameters")


def test_a_layer_in_two_places_is_found_inside_other_layers():
    conv = minibn.Conv2d(3, 2, 3)
    for pair in ((conv, minibn.WeightNorm(conv)), (minibn.WeightNorm(conv), conv),
                 (minibn.WeightNorm(conv), minibn.WeightNorm(conv))):
        with pytest.raises(ValueError, match="again: make a layer for each place"):
            minibn.Sequential(*pair)


class Block(minibn.Layer):
    """A layer of our own that holds others: what a chain cannot do."""

    def __init__(self, channels):
        super().__init__()
        self.norms = [minibn.RenormDebias(channels)]
        self.params, self.state = self.norms[0].params, self.norms[0].state

    def forward(self, x, training=False):
        return x + self.norms[0].forward(x, training)


class Twice(minibn.Layer):
    """A layer of our own that holds a model."""

    def __init__(self):
        super().__init__()
        self.inner = minibn.Sequential(minibn.Linear(4, 4, seed=0), minibn.ReLU())

    def forward(self, x, training=False):
        self.cache = x
        return self.inner.forward(x, training)


def test_layers_that_hold_a_model_are_copied_shown_and_moved():
    model = minibn.Sequential(Twice())
    model.forward(np.ones((2, 4), np.float32), training=True)
    assert "Twice" in model.summary((4,)) and model[0].cache is not None
    assert model[0].inner[0].cache is not None
    model[0].to("cpu")
    assert model[0].cache is None and model[0].inner[0].cache is None


def test_normalizations_inside_own_layers_follow_the_model():
    model = minibn.Sequential(("block", Block(2)))
    assert [place for place, _ in model.places()] == ["block", "block.norms.0"]
    model.test_mode = "moving"
    assert model["block"].norms[0].test_mode == "moving" and model.test_modes == ("batch", "moving")


def test_a_layer_that_forgot_its_base_is_told_so():
    class Forgot(minibn.Layer):
        def __init__(self):
            self.width = 3

    with pytest.raises(TypeError, match=r"layer1 has no params: .* must call super"):
        minibn.Sequential(Forgot())
    assert repr(Forgot()) == "Forgot()"
    for call in (lambda: minibn.Layer().forward(0), lambda: minibn.Layer().backward(0)):
        with pytest.raises(NotImplementedError, match="Layer has no"):
            call()


# At the top

def test_the_names_at_the_top():
    assert minibn.Recipe is Recipe and callable(minibn.train)
    assert set(minibn.__all__) <= set(dir(minibn))
    names: dict = {}
    exec("from minibn import *", names)
    assert set(minibn.__all__) <= names.keys()
    with pytest.raises(AttributeError, match="has no attribute 'Sequental'"):
        minibn.Sequental  # noqa: B018


def test_importing_minibn_is_light():
    heavy = ["matplotlib", "tqdm", "minibn.training", "minibn.data", "zipfile", "json", "argparse"]
    program = f"import numpy, sys; before = set(sys.modules); import minibn; " \
        f"print([n for n in {heavy} if n in set(sys.modules) - before])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "[]", done.stderr


# Random numbers

def unseeded():
    """The random numbers of layers that are built without a seed."""
    x = np.ones((2, 50), np.float32)
    return [minibn.Conv2d(3, 2, 3).params["w"], minibn.Linear(4, 5).params["w"],
            minibn.Dropout(0.5).forward(x, training=True)]


def test_two_layers_without_a_seed_differ():
    for a, b in zip(unseeded(), unseeded(), strict=True):
        assert (a != b).any()
    assert (minibn.Linear(4, 5).params["w"] != minibn.Linear(4, 5).params["w"]).all()


def test_one_line_makes_a_program_repeatable():
    minibn.seed(7)
    first = unseeded()
    minibn.seed(7)
    for a, b in zip(unseeded(), first, strict=True):
        np.testing.assert_array_equal(a, b)
    minibn.seed(8)
    assert (unseeded()[0] != first[0]).all()


def test_programs_without_that_line_differ():
    program = "import minibn; print(minibn.Linear(1, 1).params['w'])"
    outputs = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              cwd=Path(__file__).parents[1]).stdout for _ in range(2)}
    assert len(outputs) == 2


def test_layers_and_models_with_a_seed_do_not_depend_on_others():
    def seeded():
        return [minibn.Conv2d(3, 2, 3, seed=0).params["w"], minibn.Linear(4, 5, seed=1).params["w"],
                minibn.nin(5, width=6).params["conv5.w"], minibn.all_cnn(5, width=4, seed=2).params[
                    "conv2.w"], minibn.Linear(4, 5, seed=np.random.default_rng(3)).params["w"]]

    minibn.seed(1)
    first = seeded()
    unseeded()
    for a, b in zip(seeded(), first, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(                           # and it is the seed's own generator
        first[1], (np.random.default_rng(1).standard_normal((4, 5)) * np.sqrt(2 / 4)).astype("f4"))
