"""Training: the recipe, the loop, tests, the history, checkpoints and result files."""

from minibn.training.loop import finish, progress_bar, train
from minibn.training.recipe import Recipe
from minibn.training.run import Diverged, Run, blas_threads, quiet_overflow

__all__ = ["Diverged", "Recipe", "Run", "blas_threads", "finish", "progress_bar",
           "quiet_overflow", "train"]
