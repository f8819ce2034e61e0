# Every command here works on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check
DATA   ?=
# How many processes share the tests (each starts PostgreSQL and servers of its own).
TEST_WORKERS ?= 2
TESTS = -m pytest -n $(TEST_WORKERS) --dist loadfile

.PHONY: help install dev serve test torture lint format bench docs clean

help:            ## Show the commands.
	@grep -E '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | sort

install: $(VENV)/.installed  ## Install commensal into .venv.
dev: $(VENV)/.dev            ## Install commensal with everything its tests need.

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[postgres]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[postgres,dev]'
	@touch $@ $(VENV)/.installed

serve: install   ## Start commensal with its embedded defaults and demo data.
	@# PostgreSQL of root runs under another account, which must be able to enter the folders above the data.
	@data='$(DATA)'; above=$$PWD; \
	if [ -z "$$data" ]; then \
		data=./commensal-data; \
		while [ "$$(id -u)" = 0 ] && [ "$$above" != / ]; do \
			[ -n "$$(find "$$above" -maxdepth 0 -perm -001)" ] || data=/var/lib/commensal; \
			above=$$(dirname "$$above"); \
		done; \
	fi; \
	exec $(BIN)/commensal serve --demo --data "$$data"

test: dev        ## Run every test at small counts.
	$(BIN)/python $(TESTS)

torture: dev     ## Run the same tests at the counts that issues name.
	COMMENSAL_TORTURE=1 $(BIN)/python -m pytest --timeout 7200

lint: dev        ## Style, types and import rules.
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: dev      ## Rewrite files in the project's style.
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

bench: dev       ## Measure, as ratios to a floor of the same run.
	$(BIN)/python -m benchmarks

docs: dev        ## Rebuild the generated pages of docs/ from the code.
	$(BIN)/python -m tests.docs.generate

clean:           ## Remove the virtual environment and caches (never a data folder).
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
