"""Train one model with one normalization, and every setting of the recipe.

Writes a result file and a figure, as `compare` does.  With --checkpoint the run is saved after
every epoch; run the same command again to resume, exactly as if it had never stopped.

  python -m minibn train --norm renorm_debias
  python -m minibn train --norm brn --norm-option r_max=none --checkpoint runs/brn.npz
  python -m minibn train --data cifar100 --norm renorm_debias --width 96 --epochs 100 --lr 0.1 \\
                         --lr-every 26 --device gpu     (the paper's recipe)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from minibn.commands.announce import announce
from minibn.commands.compare import draw
from minibn.commands.options import (
    add_data_options,
    add_recipe_options,
    add_result_options,
    fill_defaults,
    load_data,
    make_recipe,
    norm_option,
)
from minibn.commands.rates import where_from
from minibn.commands.summary import summary
from minibn.commands.table import percent
from minibn.norms import NORMS
from minibn.training import Diverged, Run, finish
from minibn.training.checkpoint import load_checkpoint, save_checkpoint
from minibn.training.record import free_path, make_record, save_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument("--norm", choices=tuple(NORMS), default="bn", help="default: bn")
    parser.add_argument("--norm-option", type=norm_option, action="append", default=[],
                        metavar="KEY=VALUE",
                        help="an argument of the normalization's layer, as r_max=5, r_max=none, "
                             "test_mode=moving, ramp=[50,400,250], decay=0.9; may be repeated")
    add_data_options(parser)
    add_recipe_options(parser)
    group = add_result_options(parser)
    group.add_argument("--checkpoint", type=Path, metavar="FILE",
                       help="save the run here (.npz) after every epoch; if the file exists, "
                            "resume from it, up to --epochs")


def run(args: argparse.Namespace) -> int:
    """Train, print, write; 1 where the run diverged."""
    fill_defaults(args)
    recipe = make_recipe(args, args.norm, dict(args.norm_option))
    run = Run(recipe, load_data(args), args.device)
    if args.checkpoint is not None and args.checkpoint.exists():
        load_checkpoint(args.checkpoint, run)
        print(f"resuming from {args.checkpoint}, after epoch {run.history.epochs} "
              f"of {recipe.epochs}")
    stopped: dict[int, str] = {}
    rates = None if args.lr is not None else where_from(args.data, [args.norm])
    file = free_path(args.out / (f"train-{run.data.name}-{recipe.norm}-batch{recipe.batch_size}"
                                 f"-seed{recipe.seed}.json"),
                     make_record([run], args.command, args.threshold, stopped, rates))

    def save(run: Run) -> None:
        save_record(file, make_record([run], args.command, args.threshold, stopped, rates))

    def after_epoch(run: Run) -> None:
        save(run)
        tqdm.write(_line(run), file=sys.stdout)

    try:
        if args.checkpoint is not None and not run.history.epochs:
            save_checkpoint(args.checkpoint, run)
        if run.history.epochs < recipe.epochs:
            announce([run])
        finish(run, checkpoint=args.checkpoint, progress=sys.stderr.isatty(),
               after_epoch=after_epoch)
    except Diverged as error:
        stopped[0] = str(error)
        save(run)
    except BaseException as error:
        if not run.history.epochs:
            file.unlink(missing_ok=True)             # there is nothing in it
        if isinstance(error, KeyboardInterrupt) and args.checkpoint is not None:
            print(f"\nrun the same command again to resume after epoch {run.history.epochs}")
        raise
    record = make_record([run], args.command, args.threshold, stopped, rates)
    print(f"\n{summary(record)}\n\nfigure   {draw(record, file)}\nresults  {file}")
    return 1 if stopped else 0


def _line(run: Run) -> str:
    """The last epoch in one line."""
    history = run.history
    tested = ", ".join(f"{percent(history.final(mode))} ({mode})"
                       for mode in history.test_accuracy)
    return (f"epoch {history.epochs:>3}  loss {history.train_loss[-1]:.3f}  "
            f"train {percent(history.train_accuracy[-1])}  test {tested}  "
            f"lr {history.learning_rate[-1]:g}  {history.seconds[-1]:.1f} s")
