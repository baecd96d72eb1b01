"""The registered replication as data: its sizes, and its arms, each a question with its runs.

    S   search of each method's learning rate at batch 5, on held-out training images
    A   main comparison: BN, BRN and renorm_debias, each at its own best rate
    B   transient: BRN and renorm_debias through the first epoch, tested often
    C   the paper's literal rate, 0.1
    P   pilots of BN, from which the thresholds of "updates to a threshold" come
    A2  BN and renorm_debias with their rates exchanged
    D   BN at batch 10 and 128
    F   batch 2: does the order of the methods turn?
    E   a network twice as wide

`results/medium/DESIGN.md` says why, and a test holds the two together.  What an arm runs depends
on finished results in two ways: the rates that a search chose (`rates.py`), and how many seeds arm
A needs (`stopping.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from minibn.replication.jobs import Job, Subset
from minibn.training.recipe import Recipe

METHODS = ("bn", "brn", "renorm_debias")
PAPER_RATE = 0.1
# Every rate that may be tried, at about equal factors.
LADDER = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Size:
    """How large the runs of a registered replication are.

    subset, held_out: the images of a run, and of a search run; width, wide: channels of the first
    convolution, in arm E the second; epochs, drops: length of a run, and the epochs after which the
    rate is divided by 10; search, pilot, transient, short: the same for the runs of S and D's
    search, of P, of B and of F; reestimate: training images for BN's reestimated statistics;
    tests: in an epoch of arm B; seeds: at most so many of every arm (None: all of them);
    batches: of the networks of arm D and, the last, of arm F.
    """

    name: str
    subset: Subset
    held_out: Subset
    width: int
    wide: int
    epochs: int
    drops: tuple[int, ...]
    search: tuple[int, tuple[int, ...]]
    pilot: tuple[int, tuple[int, ...]]
    transient: tuple[int, tuple[int, ...]]
    short: tuple[int, tuple[int, ...]]
    reestimate: int
    tests: int = 8
    seeds: int | None = None


MEDIUM = Size(
    "medium", Subset("cifar100"), Subset("cifar100", 100, train=45_000, test=5000, held_out=True),
    width=24, wide=48, epochs=15, drops=(10, 13), search=(4, (3,)), pilot=(9, ()),
    transient=(1, ()), short=(3, (2,)), reestimate=5000)
# The same arms in a minute: shows that the whole chain works, and nothing else.
TINY = Size(
    "tiny", Subset("synthetic", 4, train=128, test=20),
    Subset("synthetic", 4, train=128, test=20, held_out=True),
    width=2, wide=4, epochs=4, drops=(2, 3), search=(2, (1,)), pilot=(2, ()),
    transient=(1, ()), short=(2, (1,)), reestimate=20, seeds=2)
SIZES = {size.name: size for size in (MEDIUM, TINY)}


@dataclass(frozen=True)
class Search:
    """A search of learning rates: every method at every rate with every seed."""

    norms: tuple[str, ...]
    batch: int
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    length: str                          # the field of Size that has epochs and drops


@dataclass(frozen=True)
class Runs:
    """Runs of some methods at one batch size.

    rate: a number; "own": the best of the method's search, at the same batch size; "exchanged":
    BN at renorm_debias's and the other way round (`rates.exchanged`).
    """

    norms: tuple[str, ...]
    rate: float | str
    seeds: tuple[int, ...]
    batch: int = 5
    length: str = "full"
    wide: bool = False


@dataclass(frozen=True)
class Arm:
    """A question: its searches, and its runs once their rates are known."""

    title: str
    searches: tuple[Search, ...] = ()
    runs: tuple[Runs, ...] = ()


def seeds(first: int, count: int) -> tuple[int, ...]:
    """`count` seeds from `first` on."""
    return tuple(range(first, first + count))


FIRST_SEEDS, ALL_SEEDS = 8, 12           # of arm A, by the stopping rule

ARMS = {
    "S": Arm("search of the learning rate, batch 5",
             searches=(Search(METHODS, 5, (0.003, 0.01, 0.03, 0.1), seeds(201, 2), "search"),)),
    "A": Arm("main comparison, each method at its own best rate",
             runs=(Runs(METHODS, "own", seeds(101, ALL_SEEDS)),)),
    "B": Arm("transient: the first epoch, tested often",
             runs=(Runs(("brn", "renorm_debias"), "own", seeds(401, 16), length="transient"),
                   Runs(("brn", "renorm_debias"), PAPER_RATE, seeds(401, 8), length="transient"))),
    "C": Arm("the paper's literal rate",
             runs=(Runs(METHODS, PAPER_RATE, seeds(101, 2)),)),
    "P": Arm("pilots of BN for the thresholds",
             runs=(Runs(("bn",), "own", seeds(301, 3), length="pilot"),)),
    "A2": Arm("BN and renorm_debias with exchanged rates",
              runs=(Runs(("bn", "renorm_debias"), "exchanged", seeds(101, 3)),)),
    "D": Arm("BN at batch 10 and 128",
             searches=(Search(("bn",), 10, (0.003, 0.01, 0.03, 0.1), seeds(201, 2), "search"),
                       Search(("bn",), 128, (0.01, 0.03, 0.1, 0.3), seeds(201, 2), "search")),
             runs=(Runs(("bn",), "own", seeds(101, 3), batch=10),
                   Runs(("bn",), "own", seeds(101, 3), batch=128))),
    "F": Arm("batch 2",
             searches=(Search(METHODS, 2, (0.001, 0.003, 0.01), seeds(201, 1), "short"),),
             runs=(Runs(METHODS, "own", seeds(101, 4), batch=2, length="short"),)),
    "E": Arm("twice the width", runs=(Runs(METHODS, "own", seeds(101, 1), wide=True),)),
}
# What is run first.  Arms of one line take turns, so that a stop leaves them equally far.
ORDER = (("S",), ("A", "B", "C"), ("P", "A2"), ("D", "F", "E"))


def search_of(batch: int) -> Search:
    """The search that chooses the rates at a batch size."""
    return next(search for arm in ARMS.values() for search in arm.searches
                if search.batch == batch)


def search_arm(batch: int) -> str:
    """The arm that has this search."""
    return next(name for name, arm in ARMS.items()
                if any(search.batch == batch for search in arm.searches))


def length_of(size: Size, length: str) -> tuple[int, tuple[int, ...]]:
    """Epochs, and the epochs after which the rate is divided by 10."""
    return (size.epochs, size.drops) if length == "full" else getattr(size, length)


def search_job(size: Size, search: Search, norm: str, lr: float, seed: int) -> Job:
    """One run of a search."""
    job = _job(size, norm, search.batch, size.width, lr, seed, search.length)
    return replace(job, name=f"search/{job.name}", kind="search", subset=size.held_out)


def run_job(size: Size, runs: Runs, norm: str, lr: float, seed: int) -> Job:
    """One run of an arm."""
    width = size.wide if runs.wide else size.width
    job = _job(size, norm, runs.batch, width, lr, seed, runs.length)
    return replace(job, tests_per_epoch=size.tests) if runs.length == "transient" else job


def belongs(size: Size, job: Job) -> bool:
    """Whether this job is one of the preset's, with every setting that its name stands for.

    A result of another recipe under the same name would be counted among the others.
    """
    recipe = job.recipe
    parts = [part for arm in ARMS.values()
             for part in (arm.searches if job.kind == "search" else arm.runs)]
    for length in {part.length for part in parts if part.batch == recipe.batch_size}:
        same = _job(size, recipe.norm, recipe.batch_size, recipe.width, recipe.lr, recipe.seed,
                    length)
        if job.kind == "search":
            same = replace(same, name=f"search/{same.name}", kind="search", subset=size.held_out)
        elif length == "transient":
            same = replace(same, tests_per_epoch=size.tests)
        if job == same:
            return recipe.width in (size.width, size.wide)
    return False


def _job(size: Size, norm: str, batch: int, width: int, lr: float, seed: int, length: str) -> Job:
    epochs, drops = length_of(size, length)
    condition = f"{norm}-b{batch}-w{width}-lr{lr:g}-e{epochs}"
    recipe = Recipe(network="all_cnn", norm=norm, width=width, batch_size=batch, epochs=epochs,
                    lr=lr, lr_drops=drops, seed=seed)
    return Job(f"{condition}-s{seed}", condition, "run", recipe, size.subset, probes=True,
               tests_per_epoch=1, reestimate=size.reestimate)
