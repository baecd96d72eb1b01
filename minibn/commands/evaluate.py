"""Test a trained model, or classify images with it.

Without --images: the accuracy on the test images of its data set, in each test mode that its
normalization has, with the share of channels in which the correction was clipped.

With --images: the most probable classes of each image, a picture or a uint8 array.  A photograph
is cut to its middle square and resized to the size of the training images (32 × 32 pixels); the
network looks at the center (24 × 24), as in testing.  An array must have that size.

  python -m minibn evaluate runs/brn.npz
  python -m minibn evaluate runs/brn.npz --images cat.png more.npy
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minibn.backend import DEVICES
from minibn.commands.images import read_images
from minibn.commands.options import DATA_SETS, add_folder_options, load_data, whole
from minibn.commands.table import count, format_table, percent
from minibn.layers.sequential import Sequential
from minibn.training import quiet_overflow
from minibn.training.checkpoint import Checkpoint, load_model
from minibn.training.evaluation import predict, test_accuracy, test_modes

TOP = 3  # classes named for each image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT",
                        help="a file written by train --checkpoint")
    parser.add_argument("--images", type=Path, nargs="+", metavar="FILE",
                        help="pictures (.png, .jpg, …) or arrays (.npy, .npz: uint8, (H, W, 3) or "
                             "(N, H, W, 3))")
    parser.add_argument("--mode", metavar="MODE",
                        help="test mode for --images (default: moving where there is one; in mode "
                             "batch a prediction depends on the images beside it)")
    parser.add_argument("--batch-size", type=whole(1), metavar="N",
                        help="images normalized together in mode batch (default: the training's)")
    parser.add_argument("--limit-test", type=whole(1), metavar="N",
                        help="test on the first N images only")
    add_folder_options(parser)
    parser.add_argument("--device", choices=DEVICES, default="cpu")


def run(args: argparse.Namespace) -> int:
    """Print accuracies, or predictions."""
    model, checkpoint = load_model(args.checkpoint, args.device)
    if args.batch_size is None:
        args.batch_size = checkpoint.recipe.batch_size
    if args.mode is not None and not args.images:
        raise ValueError("--mode is for --images: without them every mode is tested")
    with quiet_overflow():
        table = (_predictions if args.images else _accuracies)(model, checkpoint, args)
    print(f"{checkpoint.recipe.network} with {checkpoint.recipe.norm}, trained for "
          f"{count(checkpoint.history.epochs, 'epoch')} on {checkpoint.header['data']}\n\n{table}")
    return 0


def _accuracies(model: Sequential, checkpoint: Checkpoint, args: argparse.Namespace) -> str:
    args.data, dash, labels = checkpoint.header["data"].partition("-")
    if args.data not in DATA_SETS or (dash and (args.data, labels) != ("cifar100", "coarse")):
        raise ValueError(f"{args.checkpoint} was trained on {checkpoint.header['data']}, which "
                         "this command cannot load")
    if args.data == "synthetic" and args.data_dir is not None:
        raise ValueError(f"--data-dir: {args.checkpoint} was trained on the synthetic set, which "
                         "is drawn, not read")
    args.labels, args.limit_train = labels or "fine", None
    data = load_data(args)
    if list(data.class_names) != checkpoint.header["classes"]:
        raise ValueError(f"{args.checkpoint} was trained on other classes than those of "
                         f"{data.name}")
    rows = []
    for mode in test_modes(model):
        tested = test_accuracy(model, data.test_images, data.test_labels, checkpoint.mean,
                               checkpoint.std, mode, args.batch_size, args.device,
                               checkpoint.recipe.dtype, checkpoint.recipe.crop)
        rows.append([mode, percent(tested.accuracy), percent(tested.clipped)])
    return format_table(["test mode", f"accuracy on {len(data.test_images):,} images",
                         "clipped channels"], rows)


def _predictions(model: Sequential, checkpoint: Checkpoint, args: argparse.Namespace) -> str:
    modes = test_modes(model)
    mode = args.mode or ("moving" if "moving" in modes else modes[0])
    if mode not in modes:
        raise ValueError(f"--mode must be one of {', '.join(modes)}, not {mode!r}")
    names = checkpoint.header["classes"]
    rows = []
    for path in args.images:
        images, note = read_images(path, checkpoint.side, checkpoint.recipe.crop)
        if note is not None:
            print(note)
        probabilities = predict(model, images, checkpoint.mean, checkpoint.std, mode,
                                args.batch_size, args.device, checkpoint.recipe.dtype,
                                checkpoint.recipe.crop)
        for index, row in enumerate(probabilities):
            label = str(path) if len(images) == 1 else f"{path}[{index}]"
            best = (-row).argsort()[:TOP]
            rows.append([label, ", ".join(f"{names[k]} {percent(row[k])}" for k in best)])
    return format_table([f"image (test mode {mode})", "most probable classes"], rows, left=2)
