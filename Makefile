# Every target does the set-up that it needs. Python 3.11 or newer: make PYTHON=python3.12 …
PYTHON ?= python3
# Which torch: cpu, auto (looks for a GPU), cu128, … A local file under PIP_FIND_LINKS is taken first.
TORCH_BACKEND ?= cpu
# Test processes side by side.
WORKERS ?= 2

BIN := .venv/bin
UV := $(BIN)/uv
TORCH := torch==2.13.0
TORCH_FROM := $(if $(PIP_FIND_LINKS),$(addprefix --find-links ,$(PIP_FIND_LINKS)),--torch-backend=$(TORCH_BACKEND))

export UV_LINK_MODE ?= hardlink
export UV_NO_PROGRESS ?= $(if $(CI),1,0)
# The venv made here is the one that uv installs into, whatever is active in the shell.
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: setup quickstart lab test test-slow bench lint lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock requirements-bootstrap.lock pyproject.toml environments/curated/*/*
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Academy needs Python 3.11 or newer; $(PYTHON) is older. Use: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	$(UV) pip install --quiet --require-hashes -r requirements.lock
	$(UV) pip install --quiet $(TORCH_FROM) $(TORCH)
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/academy kernel install
	$(BIN)/python -m academy.jupyterlab install
	$(BIN)/python -m academy.labs.warm
	@touch $@

quickstart: setup
	$(BIN)/python -m academy.labs.quickstart

lab: setup
	$(BIN)/academy lab open

test: setup lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" --durations 15

test-slow: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow --timeout 1200

bench: setup
	$(BIN)/python -m bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/academy lab lint

# Writes the lock files anew from pyproject.toml; torch is left out on purpose (see README).
lock: setup
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --extra dev --extra torch pyproject.toml -o requirements.lock
	grep -A1000 '^uv==' requirements.lock | awk 'NR > 1 && !/^ / {exit} {print}' > requirements-bootstrap.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
