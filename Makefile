# The few verbs. `make nightly` and `make test` need nothing but Python 3.11 or 3.12: they set everything up.
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN := PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH="$(CURDIR)"

# Tests run on so many workers, each with a Spark session of its own.
WORKERS ?= 2

# The demo world: a month, its last three nights one after another.
DAYS ?= 30
NIGHTS ?= 3
USERS ?= 2000
ITEMS ?= 1000
EVENTS_PER_DAY ?= 50000
SEED ?= 1

# uv reads its own variables; pip's are handed on, so that a machine set up for pip needs nothing more.
export UV_FIND_LINKS ?= $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null || echo $(PIP_FIND_LINKS))
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
ifeq ($(strip $(UV_FIND_LINKS)),)
unexport UV_FIND_LINKS
endif
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif
ifeq ($(strip $(UV_INDEX)),)
unexport UV_INDEX
endif
# Airflow starts three times slower when nothing keeps its bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install nightly test check fmt bench up clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## set up the project's own environment in .venv

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
	  || { echo "Error: Python 3.11 or 3.12 is needed; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint requirements.lock uv
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode --constraint requirements.lock --editable '.[dev]'
	-@$(RUN) python -m daybreak.embedded.class_archive
	@touch $@

nightly: $(STAMP) ## a simulated month, its last nights through Airflow, then a few lookups
	@$(RUN) daybreak simulate --days $(DAYS) --users $(USERS) --items $(ITEMS) --events-per-day $(EVENTS_PER_DAY) --seed $(SEED)
	@$(RUN) daybreak nightly --nights $(NIGHTS)
	@$(RUN) daybreak lookup for_you u1 --k 5
	@$(RUN) daybreak lookup similar_items i1 --k 5
	@$(RUN) daybreak lookup people_you_may_know u1 --k 5
	@$(RUN) daybreak index list
	@$(RUN) daybreak releases list

test: $(STAMP) ## every test, the slow ones too
	@$(RUN) python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(STAMP) ## formatter, linter, types, import rules
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports

fmt: $(STAMP) ## format, mend what the linter can, write the generated pages
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) python -m daybreak.contract_page > docs/contracts.md
	@$(RUN) python -m daybreak.settings_page > docs/settings.md

bench: $(STAMP) ## measure, each figure against its peer in the same run
	@$(RUN) python -m benchmarks

up: $(STAMP) ## serve the live release on DAYBREAK_READER_PORT
	@$(RUN) daybreak serve

clean: ## remove what nights wrote; the environment stays
	@rm -rf var build *.egg-info
