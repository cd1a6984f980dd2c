# `make run` and `make test` need python3 (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 200
ENVIRONMENT ?= default
BENCH ?= exchange queries crawl candles cold
export VENV

.PHONY: help run sam-local test sam-test check scan soak bench deploy format lock clean

help:  ## these lines
	@sed -n 's/^\([a-z-]*\):.*##/\1 -/p' Makefile

run:  ## the whole service on this machine (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, VERBOSE)
	@$(PYTHON) local/environment.py local && exec $(VENV)/bin/python -m local

sam-local:  ## the same in Docker, by `sam local start-api` (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, VERBOSE)
	@$(PYTHON) local/environment.py local && VENV=.venv-sam $(PYTHON) local/environment.py sam && \
	exec $(VENV)/bin/python -m local.sam

test:  ## every test; ARGS="-k words" for some, RECORDINGS=folder for those over real answers
	@$(PYTHON) local/environment.py tests && exec $(VENV)/bin/python -m pytest --numprocesses 2 --dist loadscope $(ARGS)

sam-test:  ## the SAM CLI itself: build, invoke, start-api, start-lambda; without Docker it takes root and Debian
	@$(PYTHON) local/environment.py tests && VENV=.venv-sam $(PYTHON) local/environment.py sam && \
	exec $(VENV)/bin/python -m tests.sam $(ARGS)

check:  ## lint, format and types; the templates against CloudFormation's schemas
	@$(PYTHON) local/environment.py tests && $(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && \
	$(VENV)/bin/mypy && $(VENV)/bin/cfn-lint template.yaml infra/*.yaml

scan:  ## the templates against the security rules of checkov
	@VENV=.venv-scan $(PYTHON) local/environment.py scan && .venv-scan/bin/checkov --quiet --compact --skip-download \
	--framework cloudformation --file template.yaml infra/*.yaml

soak:  ## 200 schedules of faults, then the property tests at length, never twice the same (about 35 minutes; SEEDS=200)
	@$(PYTHON) local/environment.py tests && $(VENV)/bin/python -m tests.faults --seeds $(SEEDS) && \
	HYPOTHESIS_PROFILE=soak $(VENV)/bin/python -m pytest tests/properties $(ARGS)

bench:  ## figures, each beside its reference (about 45 minutes; BENCH="exchange", "queries", "crawl", "candles" or "cold" for one of them)
	@$(PYTHON) local/environment.py tests && failed=0; \
	for part in $(BENCH); do $(VENV)/bin/python -m tests.bench.$$part || failed=1; done; exit $$failed

deploy:  ## sam build, byte code beside it, sam deploy (ENVIRONMENT=staging or prod of samconfig.toml; ARGS="--guided")
	@sam build --config-env $(ENVIRONMENT) && \
	python$$(cat .python-version) -m compileall -q --invalidation-mode unchecked-hash .aws-sam/build && \
	sam deploy --config-env $(ENVIRONMENT) $(ARGS)

format:  ## what a tool can mend
	@$(PYTHON) local/environment.py tests && $(VENV)/bin/ruff check --fix-only . ; $(VENV)/bin/ruff format .

lock:  ## the newest versions that pyproject.toml permits, with their hashes
	@$(PYTHON) local/environment.py tests && $(VENV)/bin/python tests/lock.py

clean:  ## all that the others made, the local data included
	@rm -rf $(VENV) .venv-sam .venv-scan .aws-sam .data .mypy_cache .ruff_cache .pytest_cache .hypothesis
