#!/bin/bash
# What touches the database, once more on PostgreSQL and on MariaDB (Debian: postgresql,
# mariadb-server), each with USE_TZ on and, where Django lets it be off, off.
#   bash tests/databases.sh PYTHON [postgresql|mariadb …]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?which python}
shift
kinds=("$@")
((${#kinds[@]})) || kinds=(postgresql mariadb)
parts=(
    tests/test_ingest.py tests/test_housekeeping.py tests/test_renditions.py tests/test_forms.py
    tests/test_people.py tests/test_trash.py tests/test_replacing.py tests/test_moving.py
    tests/test_sharing.py tests/test_audit.py tests/test_databases.py tests/test_dates.py
    tests/test_properties.py tests/uploads tests/views tests/management tests/models tests/policies
    tests/storages/test_dbstorage.py tests/contrib/test_guardian.py
)
for kind in "${kinds[@]}"; do
    echo "== $kind"
    "$python" -m tests.database_servers "$kind" "$python" -m pytest -q -n auto "${parts[@]}"
    echo "== $kind, USE_TZ = False"
    IMAGES_TEST_USE_TZ=0 "$python" -m tests.database_servers "$kind" \
        "$python" -m pytest -q -n auto tests/test_dates.py tests/test_ingest.py tests/views \
        tests/test_sharing.py tests/test_trash.py
done
