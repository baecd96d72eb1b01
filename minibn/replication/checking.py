"""Whether what a result file says fits together: a result that is read can be used.

Whatever counts results takes their numbers as they are. A run that ended early, too short a list of
answers, a probe without its numbers would be counted as something else, or would end a report in
its middle. So they are refused where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from minibn.checks import check_integer, check_number
from minibn.norms import NORMS
from minibn.norms.batch_renorm import Renormalizer
from minibn.training.history import PLAIN

if TYPE_CHECKING:
    from minibn.replication.results import Result

NAME = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)*", re.ASCII)    # also a path within a folder
MOST_EPOCHS = 100_000      # of a run that diverged: its curve is drawn to the end


def check_result(result: Result) -> None:
    """Raises ValueError, TypeError or KeyError at the first thing that does not fit."""
    for text in (result.job.name, result.job.condition):
        if not isinstance(text, str) or not NAME.fullmatch(text):
            raise ValueError(f"{text!r} is no name of a run")
    check_epochs(result)
    check_modes(result)
    check_answers(result)
    check_ascending("probes", [check_probe(result, one) for one in result.probes])
    check_ascending("tests", [check_test(result, one) for one in result.tests])


def check_epochs(result: Result) -> None:
    """A run that is done has all its epochs; one that diverged has fewer."""
    epochs, done = result.job.recipe.epochs, result.history.epochs
    if epochs > MOST_EPOCHS:
        raise ValueError(f"a run of {epochs:,} epochs")
    if result.status == "done" and done != epochs:
        raise ValueError(f"it is done with {done} of {epochs} epochs")
    if result.status == "diverged" and done >= epochs:
        raise ValueError(f"it diverged, and has all {epochs} epochs")


def check_modes(result: Result) -> None:
    """The test modes are those of its normalization."""
    layer = NORMS[result.job.recipe.norm].layer
    modes, found = getattr(layer, "test_modes", ()) or (PLAIN,), result.history.test_accuracy
    if set(found) != set(modes):
        raise ValueError(f"test_accuracy has {', '.join(found)}, not {', '.join(modes)}")


def check_answers(result: Result) -> None:
    """For each test image a bit, as many of them 1 as the accuracy says.

    Up to two in a thousand more or less: another rounding may turn a tie between two classes.
    """
    if result.status != "done":
        if result.right:
            raise ValueError("it diverged, and names classes")
        return
    count, given = result.test_images, len(result.right) // 2
    if given != -(-count // 8):
        raise ValueError(f"right has {given:,} bytes for {count:,} test images")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(result.right), np.uint8))
    if bits[count:].any() or abs(bits.sum() - count * result.final()) > max(1, count / 500) + 1e-6:
        raise ValueError(f"right names {bits.sum()} of {count} images, and the accuracy is "
                         f"{result.final()}")


def check_probe(result: Result, one: dict[str, Any]) -> int:
    """A probe has what `probes.probe` returns; its update."""
    recipe = result.job.recipe
    layer = NORMS[recipe.norm].layer
    places = ["conv5", f"{recipe.activation}5"]
    if layer is not None and not NORMS[recipe.norm].wraps:
        places.append("norm5")
    numbers = [one[moment][place] for moment in ("mean", "variance") for place in places]
    if isinstance(layer, type) and issubclass(layer, Renormalizer):
        numbers += [one["r"], one["d"]]
        check_number("clipped", one["clipped"], least=0)
    for quantiles in numbers:
        if not isinstance(quantiles, list) or len(quantiles) != 5:
            raise ValueError(f"a probe has {quantiles!r} where five quantiles should be")
        for value in quantiles:
            if value is not None:
                check_number("a quantile", value)
    return check_integer("update", one["update"], least=1)


def check_test(result: Result, one: dict[str, Any]) -> int:
    """An entry of `tests` has the accuracy in every mode of the history; its update."""
    for mode in result.history.test_accuracy:
        if mode not in one["accuracy"]:
            raise ValueError(f"a test without mode {mode}")
    return check_integer("update", one["update"], least=1)


def check_ascending(name: str, updates: Iterable[int]) -> None:
    """Each update once, in their order."""
    updates = list(updates)
    if updates != sorted(set(updates)):
        raise ValueError(f"{name} are not in the order of their updates")
