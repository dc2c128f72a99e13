# Needs Python 3.11 or newer, make and git. `make PYTHON=python3.12 …` picks another Python.
PYTHON ?= python3
BIN := .venv/bin
CODE := $(wildcard billing_admin wsgi.py migrations tests benchmarks client requirements)
TYPED := $(wildcard billing_admin wsgi.py tests benchmarks client requirements/install.py requirements/audit.py requirements/sbom.py)

# Every start compiles the program anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-runtime run dev test test-deep test-fast check lint format types fuzz-api scan audit sbom bench bench-full client messages screenshots texts lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Build .venv with everything, from hash-locked lists
	@$(PYTHON) requirements/install.py dev

install-runtime:
	@$(PYTHON) requirements/install.py runtime

run: install-runtime  ## Set up what is missing and serve http://127.0.0.1:8000 (EMPTY=1: without demo data)
	@$(BIN)/flask --app wsgi start $(if $(EMPTY),--empty)

dev: install-runtime  ## The same, reloading when the code changes
	@$(BIN)/flask --app wsgi start --reload $(if $(EMPTY),--empty)

test: install  ## Every test, on SQLite and on a PostgreSQL of its own (ARGS="-k charges" for some)
	$(BIN)/pytest --numprocesses 3 $(ARGS)  # tests that wait leave two cores idle

test-deep: install  ## Long campaigns: more sequences, more kills, more rounds, pages on PostgreSQL
	$(BIN)/pytest --numprocesses 2 -m deep $(ARGS)

test-fast: install  ## For the inner loop: rules, guards and operations on SQLite, under a minute
	$(BIN)/pytest --numprocesses 2 --backend sqlite tests/domain tests/guards tests/operations $(ARGS)

check: lint types test  ## Everything but the long campaigns

lint: install  ## Style, format, import arrows, templates, dependencies, security patterns
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports
	$(if $(wildcard templates),$(BIN)/djlint --lint --quiet templates)
	$(if $(wildcard templates),$(BIN)/djlint --check --quiet templates)
	$(BIN)/python -m tests.language.words
	$(BIN)/deptry .
	$(BIN)/bandit --quiet --recursive --severity-level medium --skip B608 billing_admin  # SQL built from text: ruff's S608 asks line by line

types: install  ## mypy --strict
	$(BIN)/mypy $(TYPED)

format: install  ## Put the code into the one format, and mend what ruff can mend
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/djlint --reformat --quiet templates || true  # it exits with 1 when it changed a file

# SEED=1 tries other cases, ARGS="--examples 200" more of them.
fuzz-api: install  ## Try the API with schemathesis, every route and check, on both databases (SEED=1 for other cases)
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(ARGS)

scan: install  ## Attack the API with sqlmap and the pages with wapiti, for half an hour (ARGS="--only wapiti")
	$(BIN)/python -m tests.scan $(ARGS)

audit: install  ## Ask the package registry for known vulnerabilities in what is locked
	@$(BIN)/python requirements/audit.py

sbom: install  ## Write the software bill of materials (CycloneDX) into sbom.cdx.json
	@$(BIN)/python requirements/sbom.py sbom.cdx.json

bench: install  ## The table of speeds, both databases
	$(BIN)/python -m benchmarks

bench-full: install  ## The same at full size
	$(BIN)/python -m benchmarks --full

# OLDEST=python3.9 tries it on another Python.
client: install  ## Build the Python client into client/dist, and use it where nothing else is installed
	@rm -rf client/dist
	$(BIN)/uv build --quiet client
	$(BIN)/uv run --quiet --isolated --no-project --no-python-downloads --python $(or $(OLDEST),$(BIN)/python) \
		--with client/dist/billing_client-*.whl python client/examples/post_charges.py --help >/dev/null

texts: install  ## Write every text that a person reads into texts.txt
	$(BIN)/python -m tests.language.texts texts.txt

messages: install  ## Collect the texts of pages, and update and compile their translations
	$(BIN)/python -m tests.language.messages

screenshots: install  ## A picture of each page in five widths and both themes, into screenshots/
	$(BIN)/python -m tests.browser.screenshots

# What is pinned stays, unless it must move: `make lock UPGRADE=--upgrade` moves everything that may.
SOLVE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-python-downloads \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: install  ## Solve the dependencies again into requirements/
	$(SOLVE) --output-file requirements/runtime.txt
	$(SOLVE) --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt
	@! grep -En '://|@ ' requirements/*.txt || { echo 'A lock must name no host and no path.' >&2; exit 1; }

clean:  ## Remove what can be made again; keeps instance/
	rm -rf .venv .cache .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache screenshots
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
