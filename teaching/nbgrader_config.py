"""nbgrader's settings for this course; `prepare.py` puts a copy into a course's folder."""

import os
import sys
import warnings
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

# `nbgrader zip_collect` takes the student's name from where a file lies in the unpacked archive:
# STUDENT/01_batch_norm.ipynb (Moodle's STUDENT_assignsubmission_file_/ too), or
# STUDENT_01_batch_norm.ipynb. A browser's " (1)" behind the notebook's name does not matter.
c.FileNameCollectorPlugin.named_regexp = (
    r".*[/\\](?P<student_id>[^/\\.][^/\\]*?)(?:_assignsubmission_file_?)?[/\\_]"
    r"(?P<file_id>\d\d_[a-z0-9_]*[a-z0-9])[^/\\]*$")

# nbgrader's database calls warn of their own habits; nothing is lost.
warnings.filterwarnings("ignore", message="Object of type <Submitted")

# nbgrader calls its database's tool `alembic` by name: it lies beside Python, also where the
# virtual environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
