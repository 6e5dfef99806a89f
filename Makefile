# Two commands do everything: `make demo` (SECONDS=n ends it by itself) and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
BOUND := $(shell command -v timeout >/dev/null && echo timeout 60)  # a registry that hangs must not hold up the tests
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Without bytecode, each of the many processes that the tests start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo pictures test test-mutations test-faults fuzz soak bench lint types check clean

demo: $(VENV)/demo
	@$(BIN)/ipecs-mw demo $(if $(SECONDS),--seconds $(SECONDS))

# Most tests that take long wait, so more workers than processors share the work; each has a mongod of its own and
# takes about 1 GB of memory (WORKERS=n).
test: $(VENV)/dev .cache/mongosh
	@$(BIN)/python -m pytest --numprocesses $(or $(WORKERS),8) --dist worksteal

# A million damaged frames (FRAMES=n); `make test` runs 20,000 of them.
test-mutations: $(VENV)/dev
	@FRAMES=$(or $(FRAMES),1000000) $(BIN)/python -m pytest --timeout 0 tests/test_mutations.py

# Every fault of docs/reliability.md many times over, and its table written anew; `make test` injects a few of each.
test-faults: $(VENV)/dev
	@FAULTS=full FAULTS_REPORT=.cache/faults.json $(BIN)/python -m pytest -m fault --timeout 0; code=$$?; PYTHONPATH=.:tests $(BIN)/python -m faults.report .cache/faults.json; exit $$code

# Asks the API at random, by its description and with damaged bytes, SECONDS each; `make test` asks a little.
fuzz: $(VENV)/dev
	@FUZZ_SECONDS=$(or $(SECONDS),3600) FUZZ_REPORT=.cache/fuzz.txt $(BIN)/python -m pytest tests/api/test_openapi.py tests/api/test_raw_bytes.py

# A random mix of faults (MINUTES=n, SEED=n to repeat one).
soak: $(VENV)/dev
	@PYTHONPATH=.:tests $(BIN)/python -m faults.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# Every figure of docs/performance.md, which it writes; BENCH=GROUP (rates, latency, memory, recovery, hosts, log,
# steps, streams, applications, webhooks, page, calls, figures) measures one group anew; BENCH=small, or "small GROUP",
# looks quickly and writes nothing. BENCH=page watches the page for 2 minutes (MINUTES=n).
bench: $(VENV)/dev
	@$(BIN)/python benchmarks/run.py $(BENCH) $(if $(MINUTES),--minutes $(MINUTES))

# The pictures of docs/page.md, taken anew by the tests that look at the page.
pictures: $(VENV)/dev
	@PICTURES=docs $(BIN)/python -m pytest tests/page/test_pictures.py

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/dev
	@$(BIN)/mypy

check: lint types test

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or later is needed (PYTHON=path)'; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) --editable '.[embedded,simulator,api]'
	@touch $@

$(VENV)/dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) --editable '.[embedded,simulator,api,metrics,dev]'
	@touch $@ $(VENV)/demo

# The mongosh forms of docs/queries.md are tested where npm is at hand; without it those tests are skipped.
.cache/mongosh:
	@mkdir -p .cache
	@if command -v npm >/dev/null; then $(BOUND) npm install --silent --no-audit --no-fund --ignore-scripts --fetch-timeout=30000 --fetch-retries=1 --prefix $@.new mongosh@2.12.0 >/dev/null 2>&1 && mv $@.new $@ || { rm -rf $@.new; echo 'mongosh could not be installed: its tests are skipped'; }; fi

clean:
	rm -rf $(VENV) .cache .demo
