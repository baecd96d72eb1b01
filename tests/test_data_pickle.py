"""The restricted reader: reads what the official files consist of, and nothing can come of more."""

import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sets import cifar100_values, python2_pickle

from minibn.data import restricted_pickle
from minibn.data.restricted_pickle import MAX_INSTRUCTIONS, read_pickle

VALUES = cifar100_values(4, seed=5)
OFFICIAL_LIKE = python2_pickle(VALUES)


def same(found, expected):
    assert list(found) == [key.decode() for key in expected]
    for key, value in expected.items():
        result = found[key.decode()]
        assert type(result) is type(value)
        assert np.array_equal(result, value)


def test_reads_what_python_2_wrote():
    same(read_pickle(OFFICIAL_LIKE, "file"), VALUES)


def test_python_reads_the_test_files_in_the_same_way():
    same({k.decode(): v for k, v in pickle.loads(OFFICIAL_LIKE, encoding="bytes").items()}, VALUES)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_what_python_3_writes(protocol):
    same(read_pickle(pickle.dumps(VALUES, protocol), "file"), VALUES)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_text_constants_and_arrays_in_column_order(protocol):
    array = np.asfortranarray(VALUES[b"data"])
    values = {"text": "naïve", "many": ["x"] * 300, "some": [None, True, False, -3, 70000, 300],
              "none": {}, "data": array}
    found = read_pickle(pickle.dumps(values, protocol), "file")
    assert np.array_equal(found.pop("data"), values.pop("data"))
    assert found == values


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_runs_nothing(protocol, tmp_path):
    trace = tmp_path / "trace"
    for attack in (Attack(eval, f"open({str(trace)!r}, 'w')"), Attack(trace.touch)):
        with pytest.raises(ValueError, match="^the file is damaged, or not plain data: "):
            read_pickle(pickle.dumps({"data": attack}, protocol), "the file")
        assert not trace.exists()
        pickle.loads(pickle.dumps({"data": attack}, protocol))
        assert trace.exists()  # the attack is a real one
        trace.unlink()


@pytest.mark.parametrize(
    "value",
    [1.5, (1, 2), {1, 2}, 2**80, {1: 2}, complex(1), np.float32(1), np.ones(3), np.array([None]),
     np.ones(3, np.uint16), np.array([1], "S4"), range(3), bytearray(3), print, Ellipsis],
    ids=repr,
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_builds_nothing_else(value, protocol):
    content = pickle.dumps({"data": value}, protocol)
    if type(value) is bytearray and protocol == 5:
        assert read_pickle(content, "file") == {"data": b"\0\0\0"}
        return
    with pytest.raises(ValueError, match="^file is damaged, or not plain data: "):
        read_pickle(content, "file")


@pytest.mark.parametrize("value", [[], b"bytes", 3, None])
def test_a_file_holds_one_dictionary(value):
    with pytest.raises(ValueError, match="one dictionary"):
        read_pickle(pickle.dumps(value, 2), "file")


def test_every_cut_is_an_error():
    small = python2_pickle({b"data": np.zeros((1, 4), np.uint8), b"labels": [1, 2]})
    assert read_pickle(small, "file")["labels"] == [1, 2]
    for end in range(len(small)):
        with pytest.raises(ValueError, match="^file "):
            read_pickle(small[:end], "file")


def array_pickle(shape, content=b"abcd", state=b"K\x01"):
    """A file that claims `shape` (pickled) for an array of four bytes."""
    size = struct.pack("<I", len(content))
    return (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
        b"\x87R(" + state + shape + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R\x89T" + size + content
        + b"tbs."
    )


def test_shape_of_an_array_must_fit_its_bytes():
    good = read_pickle(array_pickle(b"K\x02K\x02\x86"), "file")["data"]
    assert good.tobytes() == b"abcd" and good.shape == (2, 2)
    wrong = [b"K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x04\x86", b"U\x01a\x85", b"K\x04", b"N", b")",
             b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"(" + b"K\x01" * 33 + b"K\x04t"]
    for shape in wrong:
        with pytest.raises(ValueError):
            read_pickle(array_pickle(shape), "file")
    with pytest.raises(ValueError):
        read_pickle(array_pickle(b"K\x04\x85", state=b"K\x02"), "file")


HUGE = b"\xff\xff\xff\x7f"
MEMORY_BOMBS = {
    "length of a string": b"}U\x01aT" + HUGE + b"s.",
    "length of a text": b"}U\x01aX" + HUGE + b"s.",
    "length of bytes": b"}U\x01a\x8e" + HUGE + HUGE + b"s.",
    "length of a byte array": b"}U\x01a\x96" + HUGE + HUGE + b"s.",
    "length of a frame": b"\x95" + HUGE + HUGE + b"}.",
    "index in the memo": b"}r" + HUGE + b".",
    "one text encoded again and again": b"c_codecs\nencode\nq\x01X" + struct.pack("<I", 1_000_000)
    + b"x" * 1_000_000 + b"U\x06latin1\x86q\x02" + b"h\x01h\x02R" * 1000 + b".",
}


def peak_memory(content):
    tracemalloc.start()
    try:
        survives(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", MEMORY_BOMBS)
def test_a_small_file_takes_little_memory(bomb):
    content = b"\x80\x02" + MEMORY_BOMBS[bomb]
    assert peak_memory(content) < 4 * len(content) + 100_000


@pytest.mark.parametrize("code", [b"]", b"}", b"(", b")", b"N", b"\x94", b"U\x02ab", b"M\x01\x02"])
def test_an_instruction_takes_little_memory(code, monkeypatch):
    """So that two million of them, the limit, stay below half a gigabyte."""
    monkeypatch.setattr(restricted_pickle, "MAX_INSTRUCTIONS", 20_000)
    assert peak_memory(b"\x80\x02}" + code * 30_000) < 250 * 20_000


def test_number_of_instructions_is_limited():
    with pytest.raises(ValueError, match=f"more than {MAX_INSTRUCTIONS:,} instructions"):
        read_pickle(b"\x80\x02}" + b"N" * MAX_INSTRUCTIONS + b".", "file")


PLAIN = (bytes, str, int, bool, type(None), list, dict, np.ndarray)


def survives(content):
    """Plain data, or a ValueError; nothing else."""
    try:
        result = read_pickle(content, "file")
    except ValueError as error:
        assert str(error).startswith("file is damaged") and "\n" not in str(error)
        return
    assert type(result) is dict
    for key, value in result.items():
        assert type(key) is str and type(value) in PLAIN
        if type(value) is np.ndarray:
            assert value.dtype == np.uint8 and value.nbytes <= len(content)


SEEDS = [
    python2_pickle({b"labels": [0, 1, 300], b"data": np.arange(12, dtype=np.uint8).reshape(3, 4)}),
    *(pickle.dumps({"labels": [0, 1, 300], "names": ["a", b"b"], "more": {"x": None, "y": True},
                    "data": np.arange(12, dtype=np.uint8).reshape(3, 4)}, p) for p in (2, 3, 4, 5)),
]


@settings(max_examples=1500, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=6)), max_size=4
    ),
)
def test_edited_files(seed, edits):
    for position, removed, inserted in edits:
        position %= len(seed)
        seed = seed[:position] + inserted + seed[position + removed :]
    survives(seed)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes(content):
    survives(b"\x80\x02" + content)


PIECES = [b"N", b"K\x01", b"U\x01a", b"X\x01\0\0\0b", b"(", b")", b"\x85", b"\x86", b"\x87", b"t",
          b"]", b"a", b"e", b"}", b"s", b"u", b"R", b"b", b"q\x01", b"h\x01", b"\x94", b"\x93",
          b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n",
          b"c_codecs\nencode\n", b"cnumpy.core.numeric\n_frombuffer\n", b"U\x02u1", b"K\x00", b"."]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_random_programs(pieces):
    survives(b"\x80\x02" + b"".join(pieces) + b".")


def test_many_single_byte_changes(rng):
    for _ in range(4000):
        content = bytearray(SEEDS[rng.integers(len(SEEDS))])
        content[rng.integers(len(content))] = rng.integers(256)
        survives(bytes(content))
