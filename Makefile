# Two commands matter: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt
SETUP := pyproject.toml constraints.txt
VECTORS ?= tests/vectors
TARGET ?= yaml
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo demo-closed-network test check conformance fuzz format docs bench bench-mirror clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

demo: .venv/.run ## run the example pipeline, here, now
	@example/demo.sh $(BIN)/homeport

demo-closed-network: .venv/.run ## a closed network in namespaces, and its cure (as root)
	tests/setup/install.sh
	@$(BIN)/python example/closed_network/demo.py

test: .venv/.dev ## install what the tests need (an engine included), check, and run every test
	tests/setup/install.sh
	$(MAKE) --no-print-directory check
	$(PYTEST) -q -n 2 tests/contract tests/behaviour
	$(PYTEST) -q -n 2 --dist loadfile tests/integration/test_*.py
	$(PYTEST) tests/integration/*/ tests/e2e
	$(PYTEST) -q -n auto tests/fuzz

check: .venv/.dev ## format, lint, types, import directions and unit tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(PYTEST) -q -n auto tests/unit

conformance: .venv/.dev ## put test vectors to the code: VECTORS=DIR, by default tests/vectors
	@PYTHONPATH=tests $(BIN)/python -m conformance "$(VECTORS)"

fuzz: .venv/.dev ## attack one target without end: TARGET=yaml, SECONDS=60 (tests/fuzz/targets.py)
	$(PIP_INSTALL) atheris
	PYTHONPATH=tests $(BIN)/python -m fuzz "$(TARGET)" -max_total_time="$(SECONDS)"

format: .venv/.dev ## format the code and repair what ruff can
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

docs: .venv/.dev ## write the pages that are made from the code
	$(BIN)/python tools/keywords.py

bench: .venv/.run ## measure CPU time beside the peers; prints a table
	@PYTHONPATH=tests $(BIN)/python -m benchmarks

bench-mirror: .venv/.dev ## measure the mirror beside nginx and docker-registry (both installed)
	@$(BIN)/python -m benchmarks.mirror

clean: ## remove the environment, the demo and all caches of the tools
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The environment that runs homeport, and the one that also develops it; both are .venv.
.venv/.run: $(SETUP)
	@tools/prerequisites.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) -e '.[mirror]'
	@touch $@

.venv/.dev: $(SETUP)
	@tools/prerequisites.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@ .venv/.run
