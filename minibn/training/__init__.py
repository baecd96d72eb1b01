"""Training: the recipe, the loop, tests, the history, checkpoints and result files."""

from minibn.training.loop import finish, progress_bar, train
from minibn.training.recipe import Recipe
from minibn.training.run import Diverged, Run, quiet_overflow

__all__ = ["Diverged", "Recipe", "Run", "finish", "progress_bar",
           "quiet_overflow", "train"]
