#!/usr/bin/env bash
# The suite on several Pythons, each with the newest Django that it can have:
# requirements-dev.txt pins Django 5.2 for Python 3.11 and Django 6.1 for 3.12 and later.
# A Python that is not there is skipped on a laptop, and fails under CI.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/pythons.sh

status=0
for version in "$@"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version is not installed." >&2
        [ -z "${CI:-}" ] || status=1
        continue
    fi
    venv=".venv-$version"
    if [ ! -e "$venv/.ready" ] || [ requirements-dev.txt -nt "$venv/.ready" ]; then
        "$python" -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --require-hashes -r requirements-dev.txt
        touch "$venv/.ready"
    fi
    "$venv/bin/python" -c 'import django, sys; print("Python", sys.version.split()[0], "Django", django.__version__)'
    "$venv/bin/python" -W error manage.py makemigrations --check --dry-run
    "$venv/bin/python" -m pytest -q -n auto || status=1
done
exit $status
