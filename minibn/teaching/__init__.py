"""What the notebooks share: the setting, data, figures, and the checks of the exercises.

It lies in the package, so that a notebook needs nothing beside it but an installed minibn.

    setting      the mode, the style of figures, the threads; images: which images there are
    display      sentences, figures with caption and alternative text, sliders
    animation    small pictures that move
    marking      the one line of a check cell; registry, watch, compare: how it works
    emulated     an array and a GPU that are not there; real_runs: runs of the replication
    exercises/   what each exercise asks, and the library's answer
"""

from minibn.teaching.animation import animate
from minibn.teaching.compare import Wrong
from minibn.teaching.display import play, say, show
from minibn.teaching.images import first_classes, load_images, size
from minibn.teaching.marking import Credit, assess, check
from minibn.teaching.setting import COLORS, FULL, MODE, STATIC, pick, start

__all__ = [
    "COLORS", "Credit", "FULL", "MODE", "STATIC", "Wrong", "animate", "assess", "check",
    "first_classes", "load_images", "pick", "play", "say", "show", "size", "start",
]
