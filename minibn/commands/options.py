"""What the commands' options share: kinds of values, the data set, the recipe."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from minibn.backend import DEVICES
from minibn.commands.rates import rate_for
from minibn.data import Dataset, find_root, load_cifar10, load_cifar100, make_synthetic
from minibn.models import ACTIVATIONS, MODELS
from minibn.training.recipe import CROP, Recipe

# Defaults by data set. On the drawn images `compare` then takes about a minute on two cores.
SETTINGS: dict[str, dict[str, Any]] = {
    "synthetic": {"width": 12, "epochs": 4, "lr_every": 3, "threshold": 0.5},
    "cifar10": {"width": 16, "epochs": 4, "lr_every": 3, "threshold": 0.5},
    "cifar100": {"width": 16, "epochs": 4, "lr_every": 3, "threshold": 0.15},
}
DATA_SETS = tuple(SETTINGS)
MOST_SEEDS = 1000


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """The kind of an option that is an integer: least <= value <= most."""
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be an integer {bounds}, not {short(text)!r}")
        return value
    return parse


def number(least: float = -math.inf, above: float = -math.inf, most: float = math.inf,
           below: float = math.inf) -> Callable[[str], float]:
    """The kind of an option that is a finite number: least <= value <= most, above < … < below."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most and above < value < below):
            bounds = [f"{word} {bound:g}" for word, bound in (
                ("at least", least), ("above", above), ("at most", most), ("below", below))
                if math.isfinite(bound)]
            raise argparse.ArgumentTypeError(
                f"must be a number {' and '.join(bounds)}, not {short(text)!r}")
        return value
    return parse


def short(text: str) -> str:
    """The text, or its beginning where it is long: an error is a line to be read."""
    return text if len(text) <= 60 else text[:60] + "…"


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """--data, --data-dir, --labels, --no-verify, --limit-train, --limit-test."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", choices=DATA_SETS, default="synthetic",
                       help="synthetic (default): 2,000 + 1,000 drawn images, no download")
    add_folder_options(group)
    group.add_argument("--labels", choices=("fine", "coarse"), default="fine",
                       help="CIFAR-100's 100 classes (default) or its 20 superclasses")
    group.add_argument("--limit-train", type=whole(1), metavar="N",
                       help="train on the first N images only")
    group.add_argument("--limit-test", type=whole(1), metavar="N",
                       help="test on the first N images only")


def add_folder_options(parser: Any) -> None:
    """--data-dir and --no-verify."""
    parser.add_argument("--data-dir", metavar="DIR",
                        help="folder that holds cifar-100-python/ or cifar-10-batches-py/ "
                             "(default: $MINIBN_DATA, then ~/.cache/minibn)")
    parser.add_argument("--no-verify", dest="verify", action="store_false",
                        help="accept other data in the same layout as the official files")


def load_data(args: argparse.Namespace) -> Dataset:
    """The data set that the options name, cut to the first images where they say so.

    Raises FileNotFoundError where it is absent, ValueError where it is damaged or too small.
    """
    if args.labels != "fine" and args.data != "cifar100":
        raise ValueError(f"--labels coarse needs --data cifar100: {args.data} has one kind of "
                         "labels")
    if args.data == "synthetic":
        if args.data_dir is not None:
            raise ValueError("--data-dir is for cifar100 and cifar10: the synthetic set is drawn, "
                             "not read")
        data = make_synthetic()
    else:
        root = find_root(args.data, args.data_dir)
        if args.data == "cifar10":
            data = load_cifar10(root, verify=args.verify)
        else:
            data = load_cifar100(root, labels=args.labels, verify=args.verify)
    for option, have in (("limit_train", data.train_images), ("limit_test", data.test_images)):
        if (getattr(args, option) or 0) > len(have):
            raise ValueError(f"--{option.replace('_', '-')} must be at most {len(have)}, "
                             f"the images of {data.name}, not {getattr(args, option)}")
    return first_images(data, args.limit_train, args.limit_test)


def first_images(data: Dataset, train: int | None = None, test: int | None = None) -> Dataset:
    """The set with its first `train` and `test` images only (None: all)."""
    return replace(data, train_images=data.train_images[:train],
                   train_labels=data.train_labels[:train],
                   test_images=data.test_images[:test], test_labels=data.test_labels[:test])


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of a Recipe but those of the normalization, and --device."""
    group = parser.add_argument_group("network")
    group.add_argument("--network", choices=tuple(MODELS), default="all_cnn",
                       help="all_cnn (Table 1, default) or nin")
    group.add_argument("--width", type=whole(1), metavar="N",
                       help=f"channels of the first convolution ({_defaults('width')}; "
                            "the paper: 96, NiN 192)")
    group.add_argument("--activation", choices=tuple(ACTIVATIONS), default="relu")
    group.add_argument("--no-final-relu", dest="final_relu", action="store_false",
                       help="no activation after the last convolution's normalization")
    group.add_argument("--dtype", choices=("float32", "float64"), default="float32")

    group = parser.add_argument_group("training")
    group.add_argument("--batch-size", type=whole(1), default=5, metavar="N",
                       help="images that are normalized together (default 5)")
    group.add_argument("--accumulate", type=whole(1), default=1, metavar="K",
                       help="average the gradients of K batches for one update (default 1)")
    group.add_argument("--epochs", type=whole(1), metavar="N",
                       help=f"passes over the training images ({_defaults('epochs')}; "
                            "the paper: 100)")
    group.add_argument("--lr", type=number(above=0), metavar="X",
                       help="learning rate (default: what a search found for the method; the "
                            "paper: 0.1)")
    group.add_argument("--lr-every", type=_every, metavar="N",
                       help="divide the learning rate by 10 every N epochs, or never "
                            f"({_defaults('lr_every')}; the paper at batch size 5: 26)")
    group.add_argument("--lr-drops", type=whole(1), nargs="+", default=(), metavar="N",
                       help="instead: divide the learning rate by 10 after each of these epochs, "
                            "as 10 13")
    group.add_argument("--momentum", type=number(least=0, below=1), default=0.9, metavar="X",
                       help="default 0.9")
    group.add_argument("--weight-decay", type=number(least=0), default=0.0, metavar="X",
                       help="default 0")
    group.add_argument("--decay-norms", action="store_true",
                       help="weight decay on gamma and beta too")
    group.add_argument("--no-flip", dest="flip", action="store_false",
                       help="do not mirror training images")
    group.add_argument("--crop", type=whole(1), default=CROP, metavar="N",
                       help=f"side of the network's input in pixels (default {CROP}, as in the "
                            "paper)")
    group.add_argument("--seed", type=whole(0), default=0, metavar="N",
                       help="of the initial weights and the order of images (default 0)")
    group.add_argument("--device", choices=DEVICES, default="cpu",
                       help="gpu needs CuPy: pip install 'minibn[gpu]'")


def add_result_options(parser: argparse.ArgumentParser) -> Any:
    """--threshold and --out; returns their group."""
    group = parser.add_argument_group("results")
    group.add_argument("--threshold", type=number(above=0, most=1), metavar="X",
                       help="count the epochs to this test accuracy, a share from 0 to 1 "
                            f"({_defaults('threshold')})")
    group.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR",
                       help="folder of the figure and the result file (default: runs)")
    return group


def fill_defaults(args: argparse.Namespace) -> None:
    """Give the options that were left open what suits the data set."""
    for name, value in SETTINGS[args.data].items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)


def make_recipe(args: argparse.Namespace, norm: str, norm_options: dict[str, Any] | None = None,
                **changes: Any) -> Recipe:
    """The recipe that the options describe, with these fields changed."""
    values = {f.name: getattr(args, f.name) for f in fields(Recipe)
              if f.name not in ("norm", "norm_options")}
    values["lr_every"] = None if args.lr_drops else args.lr_every or None
    if args.lr is None:
        values["lr"] = rate_for(args.data, norm)
    return Recipe(norm=norm, norm_options=norm_options or {}, **{**values, **changes})


def norm_option(text: str) -> tuple[str, Any]:
    """KEY=VALUE, the value in JSON or a bare word: r_max=5, r_max=none, ramp=[100,800,500]."""
    key, equals, value = text.partition("=")
    if not (key.strip() and equals and value.strip()):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, as r_max=5, not {text!r}")
    words = {"none": None, "true": True, "false": False}
    if value.strip().lower() in words:
        return key.strip(), words[value.strip().lower()]
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value.strip()


def _every(text: str) -> int:
    """A number of epochs, or never: 0."""
    return 0 if text == "never" else whole(1)(text)


def _defaults(name: str) -> str:
    """"synthetic 12, cifar10 16, …", for the help."""
    return "default: " + ", ".join(f"{data} {SETTINGS[data][name]}" for data in DATA_SETS)
