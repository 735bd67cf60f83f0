# Two commands do everything on a machine with python3 (3.11 or newer) and make:
#   make lab     set up once, then open JupyterLab on the notebooks
#   make test    set up once, then run every check
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JAX    := .venv-jax
STAMP  := $(VENV)/.ready
JOBS   ?= 2
LAB_ARGS ?=
ROOT_OK := $(if $(filter 0,$(shell id -u)),--allow-root,)
NBVAL  := --nbval-lax --nbval-current-env --nbval-cell-timeout 300 \
          --nbval-sanitize-with tests/nbval_sanitize.cfg

.DEFAULT_GOAL := help
.PHONY: help setup lab test lint size test-py test-nb test-processors browser bench pretrained stored claims \
        notebooks exercises rehearse handouts clean distclean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(STAMP) ## make the environment in .venv (nothing to do when it is ready)

$(STAMP): constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3 setup"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) -V). Name a newer one: make PYTHON=/path/to/python3 setup"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): about 250 MB to download, a minute or two, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools -e ".[lab,test]"
	@touch $@

lab: $(STAMP) my_work ## open JupyterLab on the notebooks
	$(BIN)/python -m jupyterlab --ServerApp.root_dir=notebooks $(ROOT_OK) $(LAB_ARGS)

.PHONY: my_work
my_work: # a copy of each exercise to work in; what is there stays
	@mkdir -p notebooks/my_work
	@for f in notebooks/exercises/*.ipynb; do \
	  test -e notebooks/my_work/$$(basename $$f) || cp $$f notebooks/my_work/; done

size: $(STAMP) ## how large the kit is, room by room
	@$(BIN)/python -m tests.sizes

rehearse: $(STAMP) ## before the class: run all notebooks offline, GO or NO-GO
	@$(BIN)/python -m l2o_kit.classroom.rehearse

handouts: $(STAMP) ## write the notebooks as pages to read offline
	@$(BIN)/python -m l2o_kit.classroom.handouts

test: lint test-py test-nb ## run every check

lint: $(STAMP) ## style of code and notebooks, types of the library
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-py: $(STAMP) ## only the unit tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --ignore=tests/browser --ignore=tests/bench

test-nb: $(STAMP) ## only the notebooks: every cell runs, no callback fails, verdicts hold
	L2O_LIVE_SECONDS=5 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(NBVAL) -p tests.nbval_times -n $(JOBS) --dist loadfile notebooks/*.ipynb

# Three other processors: two older sets of kernels, and every gradient moved by one unit
# in the last place. What is proved there: equality, claims, and notebooks with verdicts.
OLDER   := ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=AVX2
OLDEST  := ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41
JITTER  := L2O_JITTER=1 PYTHONPATH=$(CURDIR)/tests/startup
PROVED  := $(addprefix tests/,teaching/test_claims.py lessons/test_claims_parts.py library/test_equal.py) \
           $(addprefix notebooks/,00_start_here.ipynb 03_coordinatewise_lstm.ipynb \
             05_generalization.ipynb)

test-processors: $(STAMP) ## equality, claims and verdicts, rounded as on other processors
	@for how in "$(OLDER)" "$(OLDEST)" "$(JITTER)"; do echo "With $$how"; \
	  env $$how L2O_LIVE_SECONDS=5 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(NBVAL) \
	    -n $(JOBS) --dist loadfile $(PROVED) || exit 1; done

browser: $(STAMP) ## notebooks in a real JupyterLab, in a headless Chromium
	$(BIN)/python -m pytest -q -s tests/browser

bench: $(STAMP) $(JAX)/.ready ## measure speed and memory, write BENCHMARKS.md and .json (over half an hour)
	$(BIN)/python -m tests.bench.run

$(JAX)/.ready: # a rival, in an environment of its own
	$(PYTHON) -m venv $(JAX)
	$(JAX)/bin/python -m pip install --quiet --disable-pip-version-check "jax==0.10.2"
	@touch $@

pretrained: $(STAMP) ## train every shipped optimizer anew (three to four hours)
	$(BIN)/python -m l2o_kit.lessons.recipes

stored: $(STAMP) ## recompute tuned rates, slider grids and film-strips
	$(BIN)/python -m l2o_kit.lessons.stored

claims: $(STAMP) ## measure every published claim, write CLAIMS.md; stopped, it goes on
	$(BIN)/python -m l2o_kit.lessons.claims --resume

notebooks: $(STAMP) ## run the notebooks and keep their outputs
	$(BIN)/python tests/run_notebooks.py
	$(BIN)/python -m tests.exercises

exercises: $(STAMP) ## make the students' notebooks from the lessons
	$(BIN)/python -m tests.exercises

clean: ## throw caches away
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis notebooks/.ipynb_checkpoints

distclean: clean ## and the environments
	rm -rf $(VENV) $(JAX)
