# Every daily command. `make` alone lists them.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# The environment is set up again when a lock file changes.
RUN := .venv/.run-$(shell cksum < requirements.txt | cut -d' ' -f1)
DEV := .venv/.dev-$(shell cksum < requirements-dev.txt | cut -d' ' -f1)
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links pyproject.toml
# Processes for the tests; ARGS go to pytest, as in `make test ARGS="-k ledger"`.
JOBS ?= auto
ARGS ?=
export PORT

.PHONY: help setup demo run test check format messages bench lock audit reset

help:
	@echo "debtreg: make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

demo: $(RUN) ## set up, fill with the demo company, run; PORT=8123 takes another port
	@$(BIN)/python manage.py demo

run: $(RUN) ## the same without the demo company
	@$(BIN)/python manage.py run

setup: $(DEV) ## only set up the virtual environment, for development

test: $(DEV) ## all tests, on PostgreSQL; then on SQLite what uses the database
	@status=0; \
	TEST_DATABASE=sqlite $(BIN)/pytest -q -n $(JOBS) --dist worksteal --only-database $(ARGS); \
	case $$? in 0|5) ;; *) status=1 ;; esac; \
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS) || status=1; \
	exit $$status

check: $(DEV) ## format, lint, types, import contracts, migrations, templates, lock files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m debtreg.local
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint --lint --quiet templates
	@! grep -nE 'https?://|file:|--(extra-)?index|find-links|trusted' requirements*.txt

format: $(DEV) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(DEV) ## texts of the pages into locale/, for those who translate, and back
	$(BIN)/python -m debtreg.translations

bench: $(DEV) ## the benchmarks: a table, and JSON in var/
	$(BIN)/python -m bench $(ARGS)

lock: $(DEV) ## compile requirements*.txt anew from pyproject.toml
	$(LOCK) -o requirements.txt
	$(LOCK) --extra dev -c requirements.txt -o requirements-dev.txt

audit: $(DEV) ## known holes in what is locked
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements-dev.txt

reset: $(RUN) ## throw the embedded database away, and what waits in its queue
	@$(BIN)/python -m debtreg.local --reset

$(RUN):
	@test -n "$(PYTHON)" || { echo "debtreg needs Python 3.11 or newer: none is on the PATH." >&2; exit 2; }
	@echo "Setting up .venv (once, about half a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@$(PIP) -r requirements.txt
	@rm -f .venv/.run-* && touch $@

$(DEV): $(RUN)
	@echo "Setting up the tools for tests (once, about half a minute) ..."
	@$(PIP) -r requirements-dev.txt
	@rm -f .venv/.dev-* && touch $@
