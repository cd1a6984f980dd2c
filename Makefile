# One line each. `make run` and `make test` need python3 (3.11 or newer) and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format lock clean

run: $(VENV)/local  ## the whole service on this machine: http://127.0.0.1:8000
	@exec $(BIN)/python -m local

test: $(VENV)/tests  ## every test (PYTEST="-k name" for some)
	@$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/tests  ## lint, format and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/tests  ## what a tool can mend
	@$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .

lock: $(VENV)/tests  ## the newest versions that fit pyproject.toml, with their hashes
	@tests/lock

clean:  ## everything that these commands made
	@rm -rf $(VENV) .data .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/%: %/requirements.txt
	@$(PYTHON) tests/venv $(VENV)
	@echo "installing $< ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
