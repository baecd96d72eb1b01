"""Would the tests notice?  Break the library in one place at a time and see whether a test fails.

    python tests/mutation.py                        # the room "layers": norms/, layers/, kernels/ …
    python tests/mutation.py training               # another room (ROOMS below); all: every room
    python tests/mutation.py layers/conv.py         # one file
    python tests/mutation.py -k "at_" losses.py     # only the mutants whose description has "at_"
    python tests/mutation.py all --sample 0.1       # a tenth of them, drawn anew with --seed

A mutant is the syntax tree of one file with one change: an operator or a comparison exchanged, a
term, a slice's bound or a statement left out, a constant, a sign or a condition changed.  Texts,
annotations and messages of errors stay as they are.

One process collects the tests and runs them once, to learn how long each takes and which functions
it calls.  For every mutant it forks: the child gives the library's functions their mutated code and
runs the tests that call the changed function, quickest first and the last killers before them, up
to the first failure or for some seconds.  Nothing is written into the source tree.

Survivors that change nothing are listed, with the reason, in `mutation_survivors.txt`; any other
survivor makes the exit status 1.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest  # noqa: E402
from _pytest.runner import runtestprotocol  # noqa: E402

HERE = Path(__file__).parent
LIBRARY = HERE.parent / "minibn"
SURVIVORS = HERE / "mutation_survivors.txt"
ROOMS = {  # what is broken, and the tests that should notice
    "layers": (("norms", "layers", "losses.py", "kernels"),
               ("bad_input", "numerics", "layers", "openblas", "pieces", "identities",
                "proof_autograd", "properties", "proof_models", "kernels", "model")),
    "training": (("optim.py", "training", "data/batches.py"),
                 ("training", "checkpoint", "data_batches", "optim", "kernels", "compare")),
    "replication": (("replication/statistics.py", "replication/metrics.py",
                     "replication/verdicts.py", "replication/checking.py",
                     "replication/analysis.py"),
                    ("replication_statistics", "replication_metrics", "replication_checking",
                     "replication_claims", "replication_analysis", "replication_arms")),
    "files": (("npz.py", "model_file.py", "files.py", "data/tar.py", "data/archive.py",
               "data/restricted_pickle.py", "commands/images.py", "commands/terminal.py"),
              ("fuzz", "fuzz_model_file", "fuzz_values", "fuzz_images", "model", "checkpoint",
               "data_archive", "data_tar", "data_pickle", "cli_streams", "images")),
    # The checks of the exercises are tried on broken answers: tests/answer_mutation.py.
    "exercises": (("teaching/marking.py", "teaching/compare.py", "teaching/registry.py"),
                  ("teaching", "exercise_tools")),
}
SLOW = ("killed_at_random", "threads", "side_by_side", "over_processes")   # they take processes
MEMORY = 6 * 2**30                        # bytes that a mutant may ask for

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
             ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
             ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
               ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
               ast.In: ast.NotIn, ast.NotIn: ast.In}
OPPOSITES = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}


class Mutant(NamedTuple):
    """One change: where, what was there, and what is there now."""

    file: str
    function: str        # qualified name, or "" at the level of the module
    line: int
    before: str
    after: str
    number: int          # of all changes of the file, in their order

    def tree(self) -> ast.Module:
        """The whole file with the change."""
        tree = ast.parse((LIBRARY / self.file).read_text())
        for number, (_, _, put, new) in enumerate(every_change(tree)):
            if number == self.number:
                put(new)
                break
        return ast.fix_missing_locations(tree)

    def __str__(self) -> str:
        return f"{self.file} {self.function or '-'}: {self.before} => {self.after}"


# The changes --------------------------------------------------------------------------------------

def changes(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in place of a node; None: nothing."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        yield from (node.left, node.right)
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield None
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for table in (COMPARISONS, OPPOSITES):
            if (other := table.get(type(node.ops[0]))):
                yield ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, (ast.If, ast.IfExp)):
        for value in (True, False):
            changed = copy.copy(node)
            changed.test = ast.Constant(value)
            yield changed
    elif isinstance(node, ast.Slice):
        for bound in ("lower", "upper", "step"):
            if getattr(node, bound) is not None:
                yield ast.Slice(**{**dict(ast.iter_fields(node)), bound: None})
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield None
    elif isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Name, ast.Tuple)):
        yield None                        # an assignment to an attribute or an entry


def places(node: ast.AST, function: tuple[str, ...] = ()
           ) -> Iterator[tuple[ast.AST, str, Callable]]:
    """Every node, the function it stands in, and what puts another in its place."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.Raise):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST):
                continue
            inside = function
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inside = (*function, child.name)

            def put(new, node=node, field=field, value=value, index=index):
                if not isinstance(value, list):
                    setattr(node, field, new)
                else:
                    value[index] = ast.Pass() if new is None else new

            yield child, ".".join(inside), put
            yield from places(child, inside)


def every_change(tree: ast.Module) -> Iterator[tuple[ast.AST, str, Callable, ast.AST | None]]:
    """Node, function, what puts another in the node's place, and what to put there."""
    for node, function, put in places(tree):
        for new in changes(node):
            yield node, function, put, new


def mutants(file: str) -> list[Mutant]:
    """All mutants of a file of the library."""
    tree = ast.parse((LIBRARY / file).read_text())
    return [Mutant(file, function, getattr(node, "lineno", 0), _text(node), _text(new), number)
            for number, (node, function, _, new) in enumerate(every_change(tree))]


def _text(node: ast.AST | None) -> str:
    """The first line of a node's source."""
    if node is None:
        return "nothing"
    if isinstance(node, (ast.If, ast.IfExp)):
        return f"if {ast.unparse(node.test)}"
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]


# A mutant in the place of the library -------------------------------------------------------------

def install(mutant: Mutant) -> None:
    """Give the module's functions, defaults, class attributes and constants their mutated values.

    Functions keep their identity, so that whoever has imported one has the mutant.
    """
    parts = Path("minibn", mutant.file).with_suffix("").parts
    module = sys.modules[".".join(part for part in parts if part != "__init__")]
    fresh = types.ModuleType(module.__name__)
    fresh.__package__, fresh.__file__ = module.__package__, module.__file__
    exec(compile(mutant.tree(), module.__file__, "exec"), vars(fresh))
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if isinstance(new, type):
            if new.__module__ == module.__name__:
                for key, value in vars(new).items():
                    replace(old, key, vars(old).get(key), value)
        elif name[:2] != "__":
            replace(module, name, old, new)


def replace(owner: object, name: str, old: object, new: object) -> None:
    """Turn old into new: functions from within, plain values wherever their name is imported."""
    while hasattr(old, "__wrapped__") and hasattr(new, "__wrapped__"):     # by a decorator
        if hasattr(old, "cache_clear"):
            old.cache_clear()
        old, new = old.__wrapped__, new.__wrapped__
    if isinstance(old, property):
        for part in ("fget", "fset"):
            if getattr(old, part):
                replace(owner, "", getattr(old, part), getattr(new, part))
        return
    if isinstance(old, types.FunctionType):
        if old.__module__ == new.__module__ and old.__code__ != new.__code__:
            old.__code__ = new.__code__
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    elif isinstance(new, (bool, int, float, tuple, dict, str)) and name[:2] != "__":
        if isinstance(owner, type):
            setattr(owner, name, new)
            return
        for module in list(sys.modules.values()):
            if vars(module).get(name, replace) is old:
                setattr(module, name, new)


# Tests against mutants ----------------------------------------------------------------------------

class Hunt:
    """A pytest plugin that runs the collected tests against every mutant."""

    def __init__(self, files: list[str], only: str, sample: float, seed: int, patience: float
                 ) -> None:
        self.mutants = [m for file in files for m in mutants(file) if only in str(m)]
        if sample < 1:
            count = max(1, round(sample * len(self.mutants)))
            self.mutants = sorted(random.Random(seed).sample(self.mutants, count))
        self.shared = mmap.mmap(-1, 64)                      # the test that a child is at
        self.survived: list[Mutant] = []
        self.patience = patience

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = session.items
        self.learn()
        start = time.time()
        for count, mutant in enumerate(self.mutants, 1):
            if not self.kills(mutant):
                self.survived.append(mutant)
                print(f"survived (line {mutant.line}): {mutant}", flush=True)
            if count % 50 == 0:
                print(f"{count} of {len(self.mutants)}, {len(self.survived)} survived, "
                      f"{time.time() - start:.0f} s", flush=True)
        return True

    def learn(self) -> None:
        """Time every test and see which functions of the library it calls."""
        self.calls: list[set[tuple[str, int]]] = []
        self.seconds: list[float] = []
        for item in self.items:
            called: set[tuple[str, int]] = set()

            def note(frame, event, argument, called=called):
                code = frame.f_code
                if code.co_filename.startswith(str(LIBRARY)):
                    called.add((code.co_filename, code.co_name))

            start = time.process_time()
            sys.settrace(note)
            reports = runtestprotocol(item, nextitem=None, log=False)
            sys.settrace(None)
            if any(report.failed for report in reports):
                sys.exit(f"{item.nodeid} fails without any mutant")
            self.seconds.append(time.process_time() - start)
            self.calls.append(called)
        gc.freeze()                                          # so that children share this memory
        self.order = sorted(range(len(self.items)), key=lambda i: self.seconds[i])
        print(f"{len(self.items)} tests, {sum(self.seconds):.0f} s; {len(self.mutants)} mutants",
              flush=True)

    def kills(self, mutant: Mutant) -> bool:
        """Whether a test fails, runs on without end or crashes."""
        place = str(LIBRARY / mutant.file), mutant.function.split(".")[-1]
        known = any(place in called for called in self.calls)
        chosen, left = [], self.patience if known else 10 * self.patience
        for i in self.order:
            if place in self.calls[i] or not known:
                chosen.append(i)
                left -= self.seconds[i]
                if left < 0:
                    break
        pid = os.fork()
        if pid == 0:
            self.child(mutant, chosen)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return False
        killer, = struct.unpack("i", self.shared[:4])
        if killer >= 0:
            self.order.remove(killer)
            self.order.insert(0, killer)
        return True

    def child(self, mutant: Mutant, chosen: list[int]) -> None:
        """Run the chosen tests; never returns.  Exit status 0: none failed."""
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        self.shared[:4] = struct.pack("i", -1)
        status = 1
        try:
            install(mutant)
            for i in chosen:
                self.shared[:4] = struct.pack("i", i)
                signal.setitimer(signal.ITIMER_PROF, 5 + 10 * self.seconds[i])   # then: killed
                reports = runtestprotocol(self.items[i], nextitem=None, log=False)
                if any(report.failed for report in reports):
                    break
            else:
                status = 0
        finally:
            os._exit(status)


def known_survivors() -> dict[str, str]:
    """Mutants that change nothing, and why: from the committed list."""
    lines = SURVIVORS.read_text().splitlines() if SURVIVORS.exists() else []
    known, reason = {}, ""
    for line in lines:
        if line.startswith("# "):
            reason = line[2:]
        elif line.strip():
            known[line.strip()] = reason
    return known


def files_of(target: str) -> list[str]:
    """The Python files of a file or folder below minibn/."""
    path = LIBRARY / target
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.exists()
    return [str(file.relative_to(LIBRARY)) for file in found]


def main() -> int:
    """Hunt, report, and say whether every survivor is a known one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["layers"],
                        help=f"rooms ({', '.join(ROOMS)}, all), files or folders below minibn/")
    parser.add_argument("-k", dest="only", default="", help="only mutants with this in their name")
    parser.add_argument("--tests", nargs="+", default=[], metavar="NAME",
                        help="only these of the room's tests, as data_batches")
    parser.add_argument("--sample", type=float, default=1, metavar="SHARE",
                        help="only this share of the mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--patience", type=float, default=3, metavar="SECONDS",
                        help="of tests, the quick ones first, for a mutant (3); where single tests "
                             "train, take 20")
    options = parser.parse_args()
    names = list(ROOMS) if "all" in options.names else options.names
    files, tests = [], []
    for room, (targets, checks) in ROOMS.items():
        found = [file for target in targets for file in files_of(target)]
        if room not in names:
            found = [file for file in found
                     if any(file == name or file.startswith(f"{name}/") for name in names)]
        files += found
        tests += checks if found else ()
    if not files:
        parser.error(f"no room has {', '.join(names)}")
    hunt = Hunt(files, options.only, options.sample, options.seed, options.patience)
    paths = [str(path) for name in dict.fromkeys(options.tests or tests)
             if (path := HERE / f"test_{name}.py").exists()]
    quick = " and ".join(f"not {name}" for name in SLOW)
    if pytest.main([*paths, "-s", "-p", "no:cacheprovider", "-k", quick], [hunt]) != 0:
        return 2
    known = known_survivors()
    new = [m for m in hunt.survived if str(m) not in known]
    total, equal = len(hunt.mutants), len(hunt.survived) - len(new)
    killed = total - len(hunt.survived)
    print(f"\n{total} mutants: {killed} killed, {equal} change nothing, {len(new)} survived")
    print(f"score: {killed / total:.1%} of all, {killed / (total - equal):.1%} of those that "
          "change something")
    for mutant in new:
        print(f"  {mutant}")
    return bool(new)


if __name__ == "__main__":
    sys.exit(main())
