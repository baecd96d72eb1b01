"""Break the answers of the exercises in one place at a time, and see what their checks say.

    python tests/answer_mutation.py             # all notebooks: what passes although it is broken
    python tests/answer_mutation.py 03 04       # those whose names begin so
    python tests/answer_mutation.py 03 --all    # every broken answer with its points and hints

A broken answer that has all points is a hole in the check, or it changes nothing (`>=` for `>`
where equality does not occur). Hints are to be read: each must be true of the answer that got it.
"""

import argparse
import ast
import contextlib
import copy
import io
import json
import os
import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))                       # this clone, wherever another is installed
os.environ |= {"MINIBN_CHECK_SECONDS": "5", "MPLBACKEND": "agg", "MINIBN_NOTEBOOK_STATIC": "1",
               "MINIBN_NOTEBOOK_MODE": "short"}
from minibn import teaching  # noqa: E402  (path and environment come first)
from minibn.teaching import registry  # noqa: E402

SOLUTIONS = ROOT / "notebooks" / "solutions"
CHECK = re.compile(r'teaching\.check\("(\d+\.\d+)", (\w+)\)')
OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
         ast.Pow: ast.Mult, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
METHODS = {"mean": "sum", "sum": "mean", "std": "var", "var": "std"}


class Break(ast.NodeTransformer):
    """Break the place number `place` of a piece of code; `what` says how, or is empty."""

    def __init__(self, place):
        self.place, self.count, self.what = place, 0, ""

    def here(self, what):
        self.count += 1
        if self.count - 1 == self.place:
            self.what = what
        return self.count - 1 == self.place

    def visit_BinOp(self, node):
        self.generic_visit(node)
        text = ast.unparse(node)
        if type(node.op) in OTHER and self.here(f"{text}: {OTHER[type(node.op)].__name__}"):
            node.op = OTHER[type(node.op)]()
        elif self.here(f"{text}: left side only"):
            return node.left
        elif self.here(f"{text}: right side only"):
            return node.right
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if node.attr in METHODS and self.here(f"{ast.unparse(node)}: {METHODS[node.attr]}"):
            node.attr = METHODS[node.attr]
        return node

    def visit_Constant(self, node):
        if type(node.value) in (int, float):
            for step in (1, -1):
                if self.here(f"{node.value}: {node.value + step}"):
                    return ast.Constant(node.value + step)
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        sign = isinstance(node.op, ast.USub)
        return node.operand if sign and self.here(f"{ast.unparse(node)}: no minus") else node

    def visit_Compare(self, node):
        self.generic_visit(node)
        kind = type(node.ops[0])
        if kind in OTHER and self.here(f"{ast.unparse(node)}: {OTHER[kind].__name__}"):
            node.ops[0] = OTHER[kind]()
        return node


def broken(code):
    """All ways in which a piece of code can be broken: what was done, the code."""
    tree, place = ast.parse(code), 0
    while True:
        change = Break(place)
        other = ast.fix_missing_locations(change.visit(copy.deepcopy(tree)))
        if not change.what:
            return
        yield change.what, compile(other, "<answer>", "exec")
        place += 1


def try_notebook(path, show_all):
    """Print what the checks of a notebook say; how many were broken, how many passed."""
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]
             if cell["cell_type"] == "code"]
    names, tried, passed = {"__name__": "notebook"}, 0, 0
    for cell, following in zip(cells, [*cells[1:], ""], strict=True):
        found = CHECK.fullmatch(following)
        for what, code in broken(cell) if found else ():
            exercise, attempt = registry.find(found[1]), dict(names)
            with contextlib.suppress(Exception):         # a cell that stops defines no answer
                exec(code, attempt)
                credit = teaching.assess(exercise, attempt[found[2]])
                tried, wins = tried + 1, credit >= exercise.points
                passed += wins
                if wins or show_all:
                    hints = " | ".join(credit.text.split("\n")[1:-1])
                    print(f"{found[1]} {'PASSED' if wins else repr(credit)}  {what}  {hints}")
        with contextlib.redirect_stdout(io.StringIO()):
            plain = "\n".join("" if line.startswith("%") else line for line in cell.splitlines())
            exec(compile(plain, "<cell>", "exec"), names)
    return tried, passed


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NN", help="notebooks whose names begin so")
    parser.add_argument("--all", action="store_true", help="show refused answers, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.chdir(SOLUTIONS)
    for path in sorted(SOLUTIONS.glob("*.ipynb")):
        if not options.only or path.name.startswith(tuple(options.only)):
            tried, passed = try_notebook(path, options.all)
            print(f"{path.stem}: {tried} broken answers, {passed} passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
