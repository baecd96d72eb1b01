"""nbgrader's settings for this course; `prepare.py` puts a copy into a course's folder."""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.course_id = "minibn"
c.CourseDirectory.root = str(Path(__file__).parent)

# A whole cell may train a small network on a busy machine; the checks stop a single endless answer
# much earlier (MINIBN_CHECK_SECONDS sets one limit for all of them).
c.Execute.timeout = 900

# Autograding runs the notebooks in their short mode, and nobody moves a slider.
os.environ.setdefault("MINIBN_NOTEBOOK_MODE", "short")
os.environ.setdefault("MINIBN_NOTEBOOK_STATIC", "1")

# nbgrader calls its database's tool `alembic` by name: it lies beside Python, also where the
# virtual environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
