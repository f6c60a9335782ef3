# Each target does all its own set-up on a fresh machine: it needs python3 (3.11 to 3.13) and make.
PYTHON ?= python3
PYTHON_NEXT ?= python3.12
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c $(CONSTRAINTS)
DEMO ?= runs/quickstart
# A worker per core; a file's tests share servers and trained runs, so they stay together.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses=8 --dist loadfile
MARP ?= npx --yes @marp-team/marp-cli@4.5.1
SLIDES ?= build/slides.pdf

.PHONY: demo test test-next slow results slides lint format browser clean

demo: $(VENV)/installed
	$(BIN)/python main.py --config=configs/quickstart.py --workdir=$(DEMO)
	@echo "Open the report: $(DEMO)/report.html"
	@echo "The bundled detector (not the run above) on simulated examples:"
	$(BIN)/python main.py predict --examples=$(DEMO)/examples
	@echo "Now score your own pictures: $(BIN)/python main.py predict my_pictures/"

test: $(VENV)/installed-test browser
	$(PYTEST)

# The fast tests on a newer Python, JAX and NumPy: pins of constraints-next.txt replace the others'.
test-next: build/constraints-next.txt
	$(MAKE) test PYTHON=$(PYTHON_NEXT) VENV=.venv-next CONSTRAINTS=$<

build/constraints-next.txt: constraints.txt constraints-next.txt
	@mkdir -p build
	awk -F== 'NR == FNR { newer[$$1] = $$0; next } { print $$1 in newer ? newer[$$1] : $$0 }' \
	  constraints-next.txt constraints.txt > $@

# Large networks: what the fast tests save in compiling they would lose in running.
slow: $(VENV)/installed-test browser
	XLA_FLAGS="$$XLA_FLAGS" $(PYTEST) -m slow

results: $(VENV)/installed-test
	$(BIN)/python -m docs.research docs

# This needs Node.js from 18 on and Chrome, Chromium, Edge or Firefox.
slides:
	$(MARP) docs/slides/slides.md --config-file docs/slides/marp.yml --output $(SLIDES)
	@echo "The talk, notes as annotations: $(SLIDES)"

lint: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A Chromium for the tests of pages, which skip without one: it is never a reason to stop.
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do \
	  command -v $$name > /dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  (apt-get update -qq; \
	   DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	     chromium fonts-dejavu-core) > /dev/null 2>&1 \
	  || echo "Chromium could not be installed: the tests of pages are skipped."; \
	else \
	  echo "No Chromium found: the tests of pages are skipped."; \
	fi

clean:
	rm -rf $(VENV) .venv-next build *.egg-info .jax_cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "This needs Python 3.11 to 3.13, found %d.%d; name another with make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)

# The stamps make a second call quick; they go stale when the dependencies change.
$(VENV)/installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/installed-test: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) -e '.[test]'
	@touch $@ $(VENV)/installed
