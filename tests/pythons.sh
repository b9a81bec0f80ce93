# Sourced: where a Python of a version is, from pyenv or the path; nothing where it is not there.
find_python() {
    command -v "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python 2>/dev/null | tail -n 1 ||
        command -v "python$1" || true
}
