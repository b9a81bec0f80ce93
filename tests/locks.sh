#!/usr/bin/env bash
# Every lock into an empty environment, on each Python, with today's index.
# A Python that is not there is skipped on a laptop, and fails under CI.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/pythons.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

install_into_nothing() { # a Python, and locks that belong together
    local python=$1
    shift
    rm -rf "$folder/env"
    "$python" -m venv "$folder/env"
    "$folder/env/bin/pip" install --quiet --require-hashes "${@/#/-r}"
    "$folder/env/bin/pip" check
    "$folder/env/bin/python" tests/locks.py "$@"
}

status=0
for version in "$@"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "Python $version is not installed." >&2
        [ -z "${CI:-}" ] || status=1
        continue
    fi
    echo "Python $version"
    install_into_nothing "$python" requirements.txt
    install_into_nothing "$python" requirements-dev.txt tests/mutation/requirements.txt
    install_into_nothing "$python" benchmarks/requirements.txt
done
exit $status
