# Every target sets itself up in a virtual environment of its own: Python 3.10 or newer is enough
# (on Debian and Ubuntu also its package python3-venv).  README.md has the plain commands.
#
#   make compare                         the main job; ARGS="--norms bn gn" and the like go to it
#   make test                            all tests; ARGS="-k renorm" goes to pytest
#   make test-gpu                        the device tests on CuPy: on a GPU, or on the CPU without one
#   make notebooks | make lab            run the course and keep its outputs | open it in JupyterLab
#   make replicate | make report         the paper's experiments | their tables, figures, verdicts
#   make benchmark                       one training step against PyTorch, where it is installed
#   make site | make serve               the site, in build/site | and open it in a browser
#   make test-site                       the built site in headless Chromium, where that is at hand
#   make lint                            style and types
#   make package                         source archive and wheel, in dist, tried outside of the clone
#   make clean                           remove the environment and all caches

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
ARGS ?=

.PHONY: compare test test-gpu notebooks lab replicate report benchmark site serve test-site lint \
        package clean

compare: $(VENV)/installed
	$(BIN)/python -m minibn compare $(ARGS)

# A process for each core; threads gain nothing on the tests' small arrays.
test: $(VENV)/installed-test
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# Without a GPU the tests run on an emulated one (tests/cupy_on_cpu/README.md), in a second virtual
# environment: its CuPy works on no GPU.
VENV_CUPY ?= .venv-cupy
test-gpu:
	@if nvidia-smi -L > /dev/null 2>&1; then \
	  $(MAKE) --no-print-directory $(VENV)/installed-test $(VENV)/installed-gpu && \
	  $(BIN)/python -c "from minibn.backend import device_module; device_module('gpu')" && \
	  $(BIN)/python -m pytest tests/test_device*.py -k "not stand-in" $(ARGS); \
	else \
	  PYTHON="$(PYTHON)" tests/cupy_on_cpu/test.sh $(VENV_CUPY) $(ARGS); \
	fi

notebooks: $(VENV)/installed-notebooks
	$(BIN)/python notebooks/run_all.py $(ARGS)

lab: $(VENV)/installed-notebooks
	$(BIN)/python -m jupyter lab notebooks $(ARGS)

replicate report: $(VENV)/installed
	$(BIN)/python -m minibn $@ $(ARGS)

benchmark: $(VENV)/installed
	$(BIN)/python benchmarks/train_step.py $(ARGS)

# site/README.md says what these need beside Python: 3.11 or newer, npm, and for the tests Chromium.
site: $(VENV)/installed-site
	$(BIN)/python site/build.py $(ARGS)

serve: site
	$(BIN)/python site/serve.py

test-site: $(VENV)/installed-site
	$(BIN)/python -m pytest site/tests $(ARGS)

lint: $(VENV)/installed-lint
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy --warn-unused-ignores tests/typed_program.py

package:
	PYTHON="$(PYTHON)" .ci/package dist

clean:
	rm -rf .venv .venv-cupy build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What each target needs, and no more: the package with its four libraries, then its extras.
$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	  v >= (3, 10) or sys.exit("minibn needs Python 3.10 or newer, not %d.%d: make PYTHON=..." % v[:2])'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'On Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@echo 'Installing into $(VENV) ...'
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(PIP) --editable '.[$*]'
	@touch $@
