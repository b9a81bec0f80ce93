"""The demo project with an engine that can be made to dawdle, to be killed while it does."""

from __future__ import annotations

import os
import time
from pathlib import Path

from images_app.engines.pillow import PillowEngine
from project.settings import *  # noqa: F403

IMAGES_APP = {"ENGINE": {"BACKEND": "tests.wire.slow_settings.DawdlingEngine"}}
FOLDER = Path(os.environ["IMAGES_VAR_DIR"])


class DawdlingEngine(PillowEngine):
    """Notes each encode and who does it; while the file ``dawdle`` is there, it takes long."""

    def render(self, *args, **kwargs):
        """Render, noting it first."""
        with (FOLDER / "renders.txt").open("a") as notes:
            notes.write(f"{os.getpid()}\n")
        if (FOLDER / "dawdle").exists():
            time.sleep(60)
        return super().render(*args, **kwargs)
