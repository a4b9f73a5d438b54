# Everything that is done with this repository, each target making what it needs by itself in .venv.
# Wants Python >= 3.11 with venv, GNU make and a package index as pip is set up for; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Build tools are locked too, so that nothing is built with whatever the index has today.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --use-pep517
LOCKED := $(INSTALL) --require-hashes
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
# What judges the repository itself: `make check` runs it, and no coverage comes of it.
SHAPE := tests/test_architecture.py tests/test_repository.py tests/test_said.py
SHIPPED := tests/test_deploy.py

# Half of its time a test waits for the disk or for another process.
WORKERS := $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))
# Thousands of journals and a database for each worker go to memory, where it has room and programs may run there: tests
# kill processes, and never the machine. `make long` stays on the disk.
MEMORY := $(shell $(PYTHON) -c 'import os; s = os.statvfs("/dev/shm"); \
  os.access("/dev/shm", os.W_OK) and not s.f_flag & os.ST_NOEXEC and s.f_bavail * s.f_frsize > 2 << 30 and print("/dev/shm")' 2>/dev/null)
# Tests start many processes, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

TESTS = $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage long check format lint types more-types shell shape shipped pages cost docs bench lock clean

help:  ## Say what there is to make
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(VENV)/runtime.stamp  ## Emulator, daemon and shipped handlers on this machine, and a report
	@$(BIN)/vodworker demo

test: $(VENV)/dev.stamp  ## The tests, in random order, on all cores
	@$(addprefix TMPDIR=,$(MEMORY)) $(TESTS) -m "not long" $(addprefix --ignore=,$(SHAPE) $(SHIPPED))

# To count the lines and branches makes a test take twice its time, so it is done for those that go where others do not.
coverage: $(VENV)/dev.stamp  ## How much of the code they go through: 95 % of all branches at least
	@$(addprefix TMPDIR=,$(MEMORY)) $(TESTS) -m "not long and not no_cover" $(addprefix --ignore=,$(SHAPE) $(SHIPPED)) \
	  --cov --cov-report= --cov-fail-under=0
	@$(BIN)/coverage report  # by itself, because the plug-in would analyse everything twice

long: $(VENV)/dev.stamp  ## The tests that take minutes: installations, outages, kills
	@$(TESTS) -m long

check: format lint types more-types shell shape shipped pages cost  ## What can be judged without running the program (all of it: make -k check)
	@find vodworker handlers -name '*.py' -exec awk 'END { if (NR > 400) print "long: " FILENAME ", " NR " lines" }' {} \;

format: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet .

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check --quiet .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

more-types: $(VENV)/dev.stamp
	$(BIN)/pyright

shell: $(VENV)/dev.stamp
	$(BIN)/shellcheck .ci/run deploy/install

shape: $(VENV)/dev.stamp
	$(BIN)/pytest --quiet $(SHAPE)

shipped: $(VENV)/dev.stamp
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest --quiet $(SHIPPED)

pages: $(VENV)/dev.stamp  ## The documentation as a site, build/site/index.html; a link that leads nowhere stops it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: $(VENV)/dev.stamp  ## Write the reference pages anew from the declarations
	$(BIN)/python -m vodworker.reference docs

cost: $(VENV)/dev.stamp
	@$(BIN)/python -m bench.gate

bench: $(VENV)/dev.stamp  ## The benchmarks that take minutes (all: .venv/bin/python -m bench --long)
	@$(BIN)/python -m bench

lock: $(VENV)/dev.stamp  ## Write the lock files anew from pyproject.toml, with the newest versions
	$(UV_LOCK) --upgrade --all-extras --group build pyproject.toml --output-file requirements-dev.lock
	$(UV_LOCK) --constraints requirements-dev.lock --extra postgres pyproject.toml --output-file requirements.lock
	$(UV_LOCK) --constraints requirements-dev.lock --group build --output-file requirements-build.lock

clean:  ## Remove what was made here, the virtual environment included
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Both stamps share one environment: the demo waits for the few packages that it runs on, not for the developers' tools.
$(VENV)/runtime.stamp: requirements.lock $(VENV)/build.stamp
	@echo "Installing what vodworker runs on into $(VENV) …"
	@$(LOCKED) --requirement requirements.lock
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/build.stamp
	@echo "Installing vodworker and its developers' tools into $(VENV) …"
	@$(LOCKED) --requirement requirements-dev.lock
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/build.stamp: requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"$(PYTHON) is Python {v[0]}.{v[1]}, and vodworker needs 3.11 or newer; name one with: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; install its venv package (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(LOCKED) --requirement requirements-build.lock
	@touch $@
