# Two commands: `make demo` to try Quorum, `make test` to check it.  Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_PROCESSES ?= 3
export PORT ?= 8000
export SITE_URL ?= http://127.0.0.1:$(PORT)

.PHONY: demo serve worker test docs audit clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.requirements: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.requirements-dev: requirements-dev.txt $(VENV)/.requirements
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

demo: $(VENV)/.requirements  ## A ready study on drawn pictures, served on this machine
	$(BIN)/python manage.py demo
	$(BIN)/honcho start

serve: $(VENV)/.requirements  ## The web server and one worker
	$(BIN)/honcho start

worker: $(VENV)/.requirements  ## One worker
	$(BIN)/honcho start worker

test: $(VENV)/.requirements-dev  ## Linters, types, layers and every test that can run here
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist worksteal

docs: $(VENV)/.requirements-dev  ## These pages as a site in build/docs; a link that leads nowhere is an error
	$(BIN)/mkdocs build --strict

audit: $(VENV)/.requirements  ## Known weaknesses of all that is installed; a package that cannot be looked up fails it too
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	build/audit/bin/pip-audit --strict --progress-spinner off \
	    --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

clean:  ## Remove the environment; the data folder stays
	rm -rf $(VENV)
