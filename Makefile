# `make run` and `make test` need python3 (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 200
ENVIRONMENT ?= default
BENCH ?= exchange queries crawl candles cold
export VENV
# Of another Python's modules nothing may be found here.
unexport PYTHONHOME PYTHONPATH PYTHONPLATLIBDIR PYTHONSAFEPATH

# The Python of an environment that has the group: made the first time, checked at each.
LOCAL = $(PYTHON) local/environment.py local
TESTS = $(PYTHON) local/environment.py tests
SAM = VENV=.venv-sam $(PYTHON) local/environment.py sam
SCAN = VENV=.venv-scan $(PYTHON) local/environment.py scan

.PHONY: help run probe sam-local test sam-test env-test check scan soak bench deploy format lock clean

help:  ## these lines
	@sed -n 's/^\([a-z-]*\):.*##/\1 -/p' Makefile

run:  ## the whole service on this machine (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, VERBOSE)
	@exec $(LOCAL) -m local

probe:  ## asks the real exchange whether it is as the code assumes, with at most 60 requests (EXCHANGE, KEYID, KEYFILE; ARGS="--json")
	@exec $(LOCAL) -m local.probe $(ARGS)

sam-local:  ## the same in Docker, by `sam local start-api` (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, VERBOSE)
	@$(SAM) && exec $(LOCAL) -m local.sam

test:  ## every test; ARGS="-k words" for some, RECORDINGS=folder for those over real answers
	@exec $(TESTS) -m pytest --numprocesses 2 --dist loadscope $(ARGS)

sam-test:  ## the SAM CLI itself: build, invoke, start-api, start-lambda; without Docker it takes root and Debian
	@$(SAM) && exec $(TESTS) -m tests.sam $(ARGS)

env-test:  ## `make run` in temporary checkouts: as root and as a user, with other settings, interrupted (about 5 minutes)
	@exec $(TESTS) -m pytest tests/env $(ARGS)

check:  ## lint, format and types; the templates against CloudFormation's schemas
	@$(TESTS) -m ruff check . && $(TESTS) -m ruff format --check . && $(TESTS) -m mypy && \
	$(TESTS) -c "from cfnlint.runner import main; main()" template.yaml infra/*.yaml

scan:  ## the templates against the security rules of checkov
	@$(SCAN) -m checkov.main --quiet --compact --skip-download --framework cloudformation \
	--file template.yaml infra/*.yaml

soak:  ## 200 schedules of faults, then the property tests at length, never twice the same (about 35 minutes; SEEDS=200)
	@$(TESTS) -m tests.faults --seeds $(SEEDS) && HYPOTHESIS_PROFILE=soak $(TESTS) -m pytest tests/properties $(ARGS)

bench:  ## figures, each beside its reference (about 45 minutes; BENCH="exchange", "queries", "crawl", "candles" or "cold" for one of them)
	@failed=0; for part in $(BENCH); do $(TESTS) -m tests.bench.$$part || failed=1; done; exit $$failed

deploy:  ## sam build, byte code beside it, sam deploy (ENVIRONMENT=staging or prod of samconfig.toml; ARGS="--guided")
	@sam build --config-env $(ENVIRONMENT) && \
	python$$(cat .python-version) -m compileall -q --invalidation-mode unchecked-hash .aws-sam/build && \
	sam deploy --config-env $(ENVIRONMENT) $(ARGS)

format:  ## what a tool can mend
	@$(TESTS) -m ruff check --fix-only . ; $(TESTS) -m ruff format .

lock:  ## the newest versions that pyproject.toml permits, with their hashes
	@$(TESTS) local/tools/lock.py

clean:  ## all that the others made, the local data included
	@$(PYTHON) local/clean.py
