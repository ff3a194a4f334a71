# The commands of this repository; `make` alone lists them.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# More for the command itself: make demo ARGS="--data /srv/mpss"; make test TESTS=tests/unit.
ARGS ?=
TESTS ?= tests
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
POSTGRES_15 := /usr/lib/postgresql/15/bin
# What speaks to PostgreSQL itself; the edges above it are the same on either.
ON_POSTGRES_15 := accounts catalog db desk ledger merchants outbox staff transactions vouchers
PEER_PACKAGES := chromium fonts-noto-cjk freediameter libxml2-utils postgresql-15 w3c-sgml-lib wrk

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test peers test-peers lint check bench reference lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make the virtual environment in .venv from requirements.lock

# --without-pip: Debian's Python has no ensurepip; the caller's pip installs into the environment instead.
# The project is built by the setuptools of the lock, so nothing without a digest is fetched.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Play the town's story and stay up until Ctrl-C; ARGS="--once" ends after it
	$(BIN)/mpss demo $(ARGS)

test: $(STAMP) ## Run the test suite (TESTS=tests/unit for a part of it)
	$(PYTEST) -m "not peers" $(TESTS)

peers: ## Install the Debian packages that test-peers needs, where missing
	@missing=""; for package in $(PEER_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then as_root=""; else as_root="sudo"; fi; \
	  echo "Installing$$missing"; \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi

test-peers: $(STAMP) peers ## Run the tests that need Debian packages, and the database's tests on PostgreSQL 15
	$(PYTEST) -m peers tests
	MPSS_TEST_POSTGRES_BIN=$(POSTGRES_15) $(PYTEST) -m "not peers" $(addprefix tests/integration/,$(ON_POSTGRES_15))

lint: $(STAMP) ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## Everything a change must pass: lint and test

# Without wrk the HTTP part is left out and says so; root is spared the trouble.
bench: $(STAMP) ## Measure, and add the figures to benchmarks/RESULTS.md
	@command -v wrk >/dev/null || [ "$$(id -u)" != 0 ] || $(MAKE) --no-print-directory peers PEER_PACKAGES=wrk || true
	$(BIN)/mpss bench $(ARGS)

reference: $(STAMP) ## Write docs/reference from the code
	$(BIN)/mpss reference --write docs/reference

lock: ## Compile requirements.lock from pyproject.toml (needs uv)
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --extra dev \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean: ## Remove the virtual environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
