# make run | test | lint | bench | lock; PYTHON=python3.12 chooses the interpreter, ARGS="…" passes options on.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.installed

# A Python that was removed or upgraded leaves a dead link behind: install again.
$(shell test -x $(RUN) || rm -f $(READY))

.PHONY: run test lint bench lock

run: $(READY)
	@exec $(RUN) manage.py up --follow-parent $(ARGS)

test: $(READY)
	@$(RUN) -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy --strict
	$(RUN) manage.py makemigrations --check --dry-run

bench: $(READY)
	@$(RUN) -m bench.whole --json var/bench-whole.json $(ARGS)
	@$(RUN) -m bench.engine $(ARGS)
	@$(RUN) -m bench.importing
	@$(RUN) -m bench.growth
	@$(RUN) -m bench.counting
	@$(RUN) -m bench.jobs --rounds 3
	@$(RUN) -m bench.live --tabs 1000 --rate 4 --seconds 20
	@$(RUN) -m bench.pages

$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: install Python 3.11.2 or newer, or name yours with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 2))' || { echo "Python 3.11.2 or newer is needed, $(PYTHON) is older: name a newer one, such as PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: install it first (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Installing the packages of requirements.lock into $(VENV), once; this takes a minute or two."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

lock:
	@command -v uv >/dev/null || { echo "uv is missing: install it first (pipx install uv)." >&2; exit 1; }
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11.2 \
		pyproject.toml --group dev --output-file requirements.lock --quiet $(ARGS)
