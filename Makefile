# Two commands: `make demo` to try Quorum, `make test` to check it.  Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_PROCESSES ?= 3
export PORT ?= 8000
SUPPORTED := (3, 11) <= sys.version_info < (3, 14)

# An environment of a Python that Quorum does not run on, or that is gone, is made again.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(BIN)/python -c "import sys; print($(SUPPORTED))" 2>/dev/null),True)
$(shell rm -rf $(VENV))
endif
endif

.PHONY: demo serve worker test mutants docs audit clean

$(BIN)/python:
	@$(PYTHON) -c "import sys; $(SUPPORTED) or sys.exit('Quorum needs Python 3.11 to 3.13; $(PYTHON) is %d.%d. Name another one: make $(MAKECMDGOALS) PYTHON=python3.11' % sys.version_info[:2])"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.requirements: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.requirements-dev: requirements-dev.txt $(VENV)/.requirements
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

# `quorum` is manage.py, from any folder.
$(BIN)/quorum: manage.py Makefile | $(BIN)/python
	@printf '#!/bin/sh\nexec "%s/python" "%s/manage.py" "$$@"\n' "$(abspath $(BIN))" "$(CURDIR)" > $@
	@chmod +x $@

demo: $(VENV)/.requirements $(BIN)/quorum  ## A ready study on drawn pictures, served on this machine
	@$(BIN)/python manage.py demo --serve

serve: $(VENV)/.requirements $(BIN)/quorum  ## The web server and one worker
	@$(BIN)/python manage.py serve

worker: $(VENV)/.requirements  ## One worker
	$(BIN)/honcho start worker

test: $(VENV)/.requirements-dev $(BIN)/quorum  ## Linters, types, layers and every test that can run here
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

mutants: $(VENV)/.requirements-dev  ## Whether the tests notice small faults: a sample of mutants by area, in under an hour
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

docs: $(VENV)/.requirements-dev  ## These pages as a site in build/docs; a link that leads nowhere is an error
	$(BIN)/mkdocs build --strict

audit: $(VENV)/.requirements  ## Known weaknesses of all that is installed; a package that cannot be looked up fails it too
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	build/audit/bin/pip-audit --strict --progress-spinner off \
	    --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

clean:  ## Remove the environment; the data folder stays
	rm -rf $(VENV)
