# Private images, delivered fast. `make` alone lists every target.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
PHOTOS ?=
VENV := .venv
DEMO_VENV := .venv-demo
BENCH_VENV := .venv-bench
RUN := $(VENV)/bin/python
SLOWEST := --durations=10 --durations-min=1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-slow test-storages test-databases check locks matrix matrix-databases bench mutate docs messages lock build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.ready: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is %d.%d. Try make demo PYTHON=python3.13" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

$(DEMO_VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is %d.%d. Try make demo PYTHON=python3.13" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

demo: $(DEMO_VENV)/.ready ## make a demo and serve it; PORT=8000, PHOTOS=folder
	@$(DEMO_VENV)/bin/python manage.py images_demo --port $(PORT) $(if $(PHOTOS),--photos "$(PHOTOS)")

test: $(VENV)/.ready ## the suite, with coverage
	$(RUN) -m pytest -n auto --cov --cov-report=term --cov-fail-under=95 $(SLOWEST)

test-slow: $(VENV)/.ready ## what takes longer: a real browser, real servers, the wheel
	$(RUN) -m pytest -m "slow and not alone" -n auto --dist loadfile $(SLOWEST)
	$(RUN) -m pytest -m "slow and alone" $(SLOWEST)

STORED := tests/test_ingest.py tests/test_housekeeping.py tests/test_renditions.py tests/test_forms.py tests/test_people.py tests/test_tasks.py tests/test_asgi.py tests/test_trash.py tests/test_replacing.py tests/test_moving.py tests/test_ownership.py tests/uploads tests/views tests/management tests/models
WRITING := tests/test_databases.py tests/test_ingest.py tests/test_sharing.py tests/uploads tests/views/test_shared.py tests/views/test_links.py
RECORDED := $(WRITING) tests/test_audit.py tests/test_trash.py tests/test_replacing.py tests/test_moving.py tests/test_housekeeping.py tests/test_ownership.py tests/test_forms.py tests/models tests/management tests/views/test_upload.py tests/views/test_resumable.py tests/views/test_arrange.py tests/views/test_adding.py tests/views/test_guarding.py
test-storages: $(VENV)/.ready ## what touches bytes, once more on S3 and on the database
	IMAGES_TEST_STORAGE=s3 $(RUN) -m pytest -q -n auto $(STORED)
	IMAGES_TEST_STORAGE=database $(RUN) -m pytest -q -n auto $(STORED)

test-databases: $(VENV)/.ready ## what writes, with the app on a second database and beside a copy that lags
	IMAGES_TEST_DATABASE=second $(RUN) -m pytest -q -n auto $(RECORDED)
	IMAGES_TEST_DATABASE=replica $(RUN) -m pytest -q -n auto $(WRITING)

check: $(VENV)/.ready ## ruff, mypy, imports, migrations, generated docs
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) -W error manage.py makemigrations --check --dry-run
	DJANGO_LANGUAGE=de $(RUN) -W error manage.py makemigrations --check --dry-run
	$(RUN) -W error manage.py check
	$(RUN) docs/generate.py --check

locks: ## every lock into an empty environment, on Python 3.11 and 3.13
	bash tests/locks.sh 3.11 3.13

VERSIONS ?= 3.11 3.13
matrix: ## the suite on Django 5.2 with Python 3.11, and on Django 6.1 with Python 3.13
	bash tests/matrix.sh $(VERSIONS)

matrix-databases: $(VENV)/.ready ## what touches records on PostgreSQL and MariaDB, with and without USE_TZ (needs their servers)
	bash tests/databases.sh $(RUN)

$(BENCH_VENV)/.ready: benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r benchmarks/requirements.txt
	@touch $@

bench: $(BENCH_VENV)/.ready ## renditions and delivery beside the peers, on the photographs in PHOTOS=folder
	@test -d "$(PHOTOS)" || { echo "Say which photographs: make bench PHOTOS=folder" >&2; exit 1; }
	$(BENCH_VENV)/bin/python -m benchmarks.renditions "$(PHOTOS)"
	$(BENCH_VENV)/bin/python -m benchmarks.delivery "$(PHOTOS)"
	$(BENCH_VENV)/bin/python -m benchmarks.timing

.venv-mutate/.ready: requirements-dev.txt tests/mutation/requirements.txt
	$(PYTHON) -m venv --clear .venv-mutate
	.venv-mutate/bin/python -m pip install --quiet --require-hashes -r requirements-dev.txt -r tests/mutation/requirements.txt
	@touch $@

mutate: .venv-mutate/.ready ## how many faults put into the code the tests find; ROOMS="http signing"
	.venv-mutate/bin/python -m tests.mutation $(ROOMS)

docs: $(VENV)/.ready ## write the generated parts of the docs
	$(RUN) docs/generate.py

messages: $(VENV)/.ready ## collect and compile translations (needs gettext)
	cd images_app && ../$(VENV)/bin/django-admin makemessages -l de --no-obsolete --no-location
	cd images_app && ../$(VENV)/bin/django-admin compilemessages

lock: $(VENV)/.ready ## pin every dependency anew, with hashes (needs uv)
	UV_PYTHON_DOWNLOADS=never uv pip compile pyproject.toml --extra demo --extra s3 --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" -q -o requirements.txt
	UV_PYTHON_DOWNLOADS=never uv pip compile pyproject.toml --extra demo --extra s3 --extra gcs --extra azure --extra heif --extra cloudfront --group dev --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" -c requirements.txt -q -o requirements-dev.txt
	UV_PYTHON_DOWNLOADS=never uv pip compile benchmarks/requirements.in -c requirements-dev.txt --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" -q -o benchmarks/requirements.txt
	UV_PYTHON_DOWNLOADS=never uv pip compile tests/mutation/requirements.in -c requirements-dev.txt --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --custom-compile-command "make lock" -q -o tests/mutation/requirements.txt

build: $(VENV)/.ready ## the wheel, into dist/
	$(RUN) -m hatchling build -t wheel

clean: ## remove environments, caches and the demo's data
	rm -rf $(VENV) $(DEMO_VENV) .venv-* dist var .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis
