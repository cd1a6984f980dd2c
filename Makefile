# `make run` and `make test` need python3 (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 200
ENVIRONMENT ?=
BENCH ?= exchange queries crawl candles cold
export VENV
# Of another Python's modules nothing may be found here.
unexport PYTHONHOME PYTHONPATH PYTHONPLATLIBDIR PYTHONSAFEPATH

# The Python of an environment that has the group: made the first time, checked at each.
LOCAL = $(PYTHON) local/environment.py local
TESTS = $(PYTHON) local/environment.py tests
SAM = VENV=.venv-sam $(PYTHON) local/environment.py sam
LAKE_TEST = VENV=.venv-lake $(PYTHON) local/environment.py lake
BROWSER = $(PYTHON) local/environment.py browser
SCAN = VENV=.venv-scan $(PYTHON) local/environment.py scan
# A JavaScript tool, fetched the first time.
JAVASCRIPT = $(TESTS) layers/explorer/fetch.py --tools
BIOME = --no-errors-on-unmatched --error-on-warnings

.PHONY: help run sql lake-check lake-compact lake-test probe smoke sam-local test sam-test browser-test screenshots env-test check scan soak bench deploy format lock clean

help:  ## show this help
	@sed -n 's/^\([a-z-]*\):.*##/\1 -/p' Makefile

run:  ## run the service on this machine (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, LAKE, API_KEY, VERBOSE)
	@exec $(LOCAL) -m local

sql:  ## run one SQL statement in the database of a stack (SQL="SELECT …", STACK=kalshi-markets; WRITE=1 permits changes)
	@exec $(LOCAL) -m local.run_sql

lake-check:  ## check that a lake has every change (LAKE=folder or s3://bucket/prefix; ARGS="--json")
	@exec $(LOCAL) -m local.lake check $(ARGS)

lake-compact:  ## convert the closed days of a lake in a folder to Parquet (LAKE=folder)
	@exec $(TESTS) -m local.lake compact $(ARGS)

probe:  ## compare the real exchange with the code's assumptions, with at most 60 requests (EXCHANGE, KEYID, KEYFILE; ARGS="--json")
	@exec $(LOCAL) -m local.probe $(ARGS)

smoke:  ## test a running service with eight requests at most (URL=https://…; API_KEY or TOKEN, if it requires one; MAX_LAG=3600)
	@exec $(LOCAL) -m local.smoke

sam-local:  ## run the service in Docker with `sam local start-api` (PORT, MARKETS, RECORDING, EXCHANGE, DATA_DIR, VERBOSE)
	@$(SAM) && exec $(LOCAL) -m local.sam

test:  ## run all tests (ARGS="-k words" selects some, RECORDINGS=folder adds tests with real responses)
	@exec $(TESTS) -m pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder $(ARGS)

sam-test:  ## test the SAM CLI: build, invoke, start-api, start-lambda; without Docker it requires root and Debian
	@$(SAM) && exec $(TESTS) -m tests.sam $(ARGS)

lake-test:  ## test the lake's tables in Spark and DuckDB; it installs Java where it may (LAKE_CHANGES=200000)
	@$(LAKE_TEST) -m tests.engines $(ARGS)

browser-test:  ## test the pages in Chromium, which is installed if the system is Debian (about 5 minutes)
	@$(BROWSER) && $(JAVASCRIPT) && exec $(TESTS) -m tests.browser $(ARGS)

screenshots:  ## write the pictures of the documentation: every page in Chromium, on the simulated exchange
	@$(BROWSER) && exec $(TESTS) -m tests.browser.screenshots

env-test:  ## test `make run` in temporary checkouts: as root and as a user, with other settings, interrupted, on other Pythons (about 12 minutes)
	@exec $(TESTS) -m pytest tests/env $(ARGS)

check:  ## check lint, format and types of Python and JavaScript, and the templates against CloudFormation's schemas
	@$(BROWSER) && $(TESTS) -m ruff check . && $(TESTS) -m ruff format --check . && $(TESTS) -m mypy && \
	$(JAVASCRIPT) tsc --project layers/explorer && $(JAVASCRIPT) biome check $(BIOME) && \
	$(TESTS) -c "from cfnlint.runner import main; main()" template.yaml infra/*.yaml

scan:  ## check the templates against the security rules of checkov
	@$(SCAN) -m checkov.main --quiet --compact --skip-download --framework cloudformation \
	--file template.yaml infra/*.yaml

soak:  ## run 200 random fault schedules, 300 of the lake, then long property tests (about 35 minutes; SEEDS=200)
	@$(TESTS) -m tests.faults --seeds $(SEEDS) && $(TESTS) -m tests.lake && HYPOTHESIS_PROFILE=soak $(TESTS) -m pytest --timeout 3600 tests/properties $(ARGS)

bench:  ## run benchmarks with reference values (about 45 minutes; BENCH="exchange", "queries", "crawl", "candles" or "cold" for one)
	@failed=0; for part in $(BENCH); do $(TESTS) -m tests.bench.$$part || failed=1; done; exit $$failed

deploy:  ## build and deploy a preset of samconfig.toml (ENVIRONMENT=small, medium or large; ARGS="--region us-east-1")
	@$(SAM) && exec $(LOCAL) -m local.deploy "$(ENVIRONMENT)" $(ARGS)

format:  ## auto-fix lint and format
	@$(TESTS) -m ruff check --fix-only . ; $(TESTS) -m ruff format . ; $(JAVASCRIPT) biome check --write $(BIOME)

lock:  ## lock the newest versions that pyproject.toml allows, with hashes
	@$(TESTS) local/tools/lock.py

clean:  ## remove everything the other targets create, local data included
	@$(PYTHON) local/clean.py
