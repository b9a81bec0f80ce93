"""Tell what the locks lack: a pin without the extra that some locked package asks for.

``pip install --require-hashes`` takes a requirement with an extra (``coverage[toml]``) as pinned
only if the pin names that extra. Otherwise it looks for the newest release, and refuses that one.

As a program, with the Python of an environment that a lock has filled: ``python tests/locks.py
requirements.txt [...]`` prints what is missing, and ends with 1 where something is.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

try:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
except ImportError:  # an environment without our tools has at least pip
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?==", re.MULTILINE)


def pins(text):
    """Return the extras of each pin of a lock, by the pin's name."""
    return {
        canonicalize_name(name): {canonicalize_name(extra) for extra in extras.split(",") if extra}
        for name, extras in ((name, extras.replace(" ", "")) for name, extras in PIN.findall(text))
    }


def asked_for(name, extras):
    """Yield the requirements of an installed package with its extras; none where it is absent."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # the pin of another platform or Python
        return
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def missing_extras(text):
    """Yield a sentence for each requirement with an extra whose pin does not name the extra."""
    pinned = pins(text)
    for name, extras in pinned.items():
        for requirement in asked_for(name, extras):
            wanted = {canonicalize_name(extra) for extra in requirement.extras}
            known = pinned.get(canonicalize_name(requirement.name))
            if known is None or not wanted <= known:
                yield f"{name} asks for {requirement}, which no pin offers"


if __name__ == "__main__":
    found = [each for path in sys.argv[1:] for each in missing_extras(Path(path).read_text())]
    print("\n".join(found) or "Every requirement has its pin, with its extras.")
    sys.exit(bool(found))
