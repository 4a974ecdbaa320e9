# One command on a fresh machine: `make run` or `make test`. Needs Python 3.11 or later and make, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
# Most tests wait for processes and servers: three at a time take a third of the time, on two cores.
JOBS ?= 3
TOGETHER := -n $(JOBS) --dist worksteal
# Which Python makes the environment; `make PYTHON=/path/to/python ...` chooses one.
PYTHON ?=

# The tests start some thousand processes; without bytecode each would compile all of taskq anew, for a fifth of a second.
unexport PYTHONDONTWRITEBYTECODE

# An environment of another folder (this one was moved or copied) or of a Python that is gone is made anew.
ifneq ($(shell [ "$$(cat $(VENV)/.made 2>/dev/null)" = "$(CURDIR)" ] && $(BIN)/python -c 'print("ok")' 2>/dev/null),ok)
$(shell rm -f $(VENV)/.made)
endif

.PHONY: help install run test test-both test-server test-failed test-pythons test-streamlit quick check lint format verify verify-slice soak mutants mutants-check bench bench-compare bench-scale bench-check bench-all release-check docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.run ## the environment in .venv, with taskq and its commands

run: $(VENV)/.run ## the main job: index the Python standard library on an embedded server
	@$(BIN)/python scripts/run_index.py

test: $(VENV)/.dev ## the whole test suite on a real server; JOBS=1: one test at a time
	@$(PYTEST) $(TOGETHER)

test-both: $(VENV)/.dev ## the whole test suite on each kind of server that this machine has
	@for kind in $$($(BIN)/python -m tests.servers); do \
		echo "== $$kind"; \
		TASKQ_TEST_SERVER=$$kind $(PYTEST) $(TOGETHER) || exit 1; \
	done

test-server: $(VENV)/.dev ## what depends on the kind of server, without what takes longer than five seconds
	@$(PYTEST) $(TOGETHER) -m "not slow" tests/lua tests/protocol tests/properties tests/conformance tests/transport tests/worker \
		tests/scheduler tests/faults tests/security

test-failed: $(VENV)/.dev ## the tests that failed last time, one after the other
	@$(PYTEST) --last-failed --last-failed-no-failures none

test-pythons: $(VENV)/.dev ## what must not depend on the version of Python, on each other one that is declared and on this machine
	@$(BIN)/python -m scripts.pythons $(FLAGS)

test-streamlit: $(VENV)/.streamlit ## the components for Streamlit, which is half a gigabyte to install
	@$(PYTEST) tests/ui

quick: $(VENV)/.dev ## the tests that take less than five seconds each
	@$(PYTEST) $(TOGETHER) -m "not slow"

check: lint test ## all that must pass before a commit

lint: $(VENV)/.dev ## format, ruff, types, import floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg

format: $(VENV)/.dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

verify: $(VENV)/.dev ## every fault point on a server of its own, nine minutes; kept in docs/reliability.md
	@$(BIN)/python scripts/reliability.py verify --minutes 9 --record

verify-slice: $(VENV)/.dev ## as much of it as fits into three minutes
	@$(BIN)/python scripts/reliability.py verify --minutes 2.5

soak: $(VENV)/.dev ## thirty minutes of random faults, the server killed as well; kept in docs/reliability.md
	@$(BIN)/python scripts/reliability.py soak --minutes 30 --record

mutants: $(VENV)/.dev ## each guard of the scripts taken out in turn: which test misses it; writes docs/mutants.md
	@$(BIN)/python scripts/mutate_scripts.py --record

mutants-check: $(VENV)/.dev ## whether each guard of the scripts is in that record, with a test that misses it
	@$(BIN)/python scripts/mutate_scripts.py --check

bench: $(VENV)/.dev ## speed beside the bare baselines
	@$(BIN)/python -m bench

# FLAGS="--quick" or FLAGS="--peers taskq,rq --work submit,drain_noop"; --help lists them
bench-compare: $(VENV)/.dev ## the same work by taskq and by its peers; writes docs/performance.md
	@$(BIN)/python -m bench.compare $(FLAGS)

bench-scale: $(VENV)/.dev ## cost per task over backlog, workers, payload, processes and time; writes docs/scale.md
	@$(BIN)/python -m bench.scale $(FLAGS)

bench-check: $(VENV)/.dev ## a short run beside the figures of the last release; fails if one is clearly worse
	@$(BIN)/python -m bench.check $(FLAGS)

# Of queues that were measured before, each starts its workers as was found best. What killed workers lose is asked by hand:
# make bench-compare FLAGS="--work recovery,child --write"
IN_TURNS := submit,together,batch,drain_noop,drain_sleep,drain_cpu,two_noop,two_cpu,round_trip,loaded,memory
BESIDE := submit,together,batch,drain_noop,drain_cpu,round_trip,memory
ROUNDS ?= 1
bench-all: $(VENV)/.dev ## every figure of the pages on speed anew; ROUNDS=2 for spreads, and twice the time
	@$(BIN)/python -m bench.compare --chosen --rounds $(ROUNDS) --seconds 1 --work $(IN_TURNS) --write
	@if command -v redis-server >/dev/null; then $(BIN)/python -m bench.compare --server redis-server --chosen \
		--peers taskq,bare,bullmq_node,dramatiq,huey,saq,wakaq --rounds $(ROUNDS) --seconds 1 --work $(BESIDE) --beside; fi
	@$(BIN)/python -m bench.scale
	@$(BIN)/python -m bench.check --record

release-check: $(VENV)/.dev ## build, look into, install and try what would be released; minutes
	@$(BIN)/python -m scripts.release_check

docs: $(VENV)/.docs ## the site of the docs in build/site; a broken link is an error
	@$(BIN)/python scripts/docs_site.py assemble
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean --strict --config-file docs/mkdocs.yml
	@$(BIN)/python scripts/docs_site.py check

clean: ## remove the environment and all caches
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what is installed; they are as old as the installation, and a change of the packaging renews it.
$(VENV)/.run: $(VENV)/.made setup.cfg setup.py pyproject.toml
	@echo "Installing taskq into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made setup.cfg setup.py pyproject.toml
	@echo "Installing taskq and its test tools into $(VENV) ..."
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.streamlit: $(VENV)/.dev
	@echo "Installing streamlit into $(VENV) ..."
	@$(PIP) install --editable '.[dev,streamlit]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	@echo "Installing mkdocs into $(VENV) ..."
	@$(PIP) install --editable '.[dev,docs]'
	@touch $@

$(VENV)/.made:
	@found=; \
	for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		found=$$python; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$($$python --version) ..."; \
		$$python -m venv --clear $(VENV) || exit 1; \
		echo "$(CURDIR)" > $@; \
		exit 0; \
	done; \
	if [ -z "$$found" ]; then \
		echo "taskq needs Python 3.11 or later, and none was found as python3 or python3.11 to python3.14." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; \
	else \
		echo "$$($$found --version) cannot make a virtual environment: its module venv or ensurepip is missing." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv (or python3.X-venv for another python3.X)." >&2; \
	fi; \
	exit 1
