"""The demo, filled once for all real servers."""

from __future__ import annotations

import pytest

from tests.wire.servers import manage


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A folder with the demo's database and files."""
    var = tmp_path_factory.mktemp("demo")
    manage(var, "images_demo", "--no-serve")
    manage(var, "collectstatic", "--no-input", "-v0")
    return var
