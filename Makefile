PYTHON ?= python3
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
VENV := .venv
BIN := $(VENV)/bin
ELASTALERT := tests/clients/elastalert
.DEFAULT_GOAL := help

.PHONY: help setup demo serve test check chaos fuzz audit fmt lock rules bench screenshots elastalert clean

# What the tests start a hundred times is compiled once.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Build .venv from the hashed requirements

$(VENV)/.ready: requirements/dev.txt requirements/uv.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Start the service, post recorded deliveries, print each root cause, then serve (DEMO_ONCE=1: exit after printing)
	@$(BIN)/python demo/run.py

serve: setup ## Run the service at 127.0.0.1:8000 on embedded SQLite in ./var
	@$(BIN)/whydenied serve --host 127.0.0.1 --port 8000

test: setup ## Run the whole test suite
	@$(BIN)/python -m pytest -n $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)") --dist loadfile

elastalert: $(ELASTALERT)/.venv/.ready ## Install ElastAlert 2, a real client in the tests, into an environment of its own

$(ELASTALERT)/.venv/.ready: $(ELASTALERT)/requirements.txt | setup
	$(PYTHON) -m venv $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

check: setup ## Lint, types, import contracts, YAML, rules, prompts, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict .
	$(BIN)/whydenied rules check
	$(BIN)/whydenied prompts check
	$(BIN)/whydenied migrate --check

fuzz: setup ## Throw much more at every route and connector than the tests do (FUZZ=20 times, never the same twice)
	WHYDENIED_FUZZ=$(or $(FUZZ),20) $(BIN)/python -m pytest --timeout 7200 \
	  tests/web/test_every_route.py tests/web/test_api_contract.py tests/connectors/test_contract.py

audit: setup ## Ask the database of advisories about every pinned package (needs the network; exit 1: something is known)
	$(BIN)/uv venv --quiet --clear $(VENV)/audit
	$(BIN)/uv pip install --quiet --python $(VENV)/audit/bin/python --require-hashes -r requirements/audit.txt
	$(VENV)/audit/bin/pip-audit --progress-spinner off --disable-pip --vulnerability-service osv $(AUDIT_OPTIONS) \
	  -r requirements/dev.txt -r requirements/uv.txt

fmt: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

rules: setup ## Run every rule's proof
	$(BIN)/whydenied rules check

chaos: setup ## Kill, stop, fill and cut for a quarter of an hour; see that nothing acknowledged is lost (needs PostgreSQL)
	@$(BIN)/python tests/chaos/storm.py

bench: setup ## Measure everything that is promised about speed, and write docs/benchmarks.md (a quarter of an hour)
	$(BIN)/python bench/run.py --write

screenshots: setup ## Take the pictures of the README again (needs Chromium)
	@$(BIN)/python tests/e2e/take_pictures.py

lock: setup ## Compile the hashed requirements again
	$(BIN)/uv pip compile --quiet $(LOCK) requirements/uv.in -o requirements/uv.txt
	$(BIN)/uv pip compile --quiet $(LOCK) requirements/audit.in -o requirements/audit.txt
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet $(LOCK) pyproject.toml --constraint requirements/dev.txt -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet $(LOCK) $(ELASTALERT)/requirements.in -o $(ELASTALERT)/requirements.txt

clean: ## Remove the environment and everything generated
	rm -rf $(VENV) $(ELASTALERT)/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
