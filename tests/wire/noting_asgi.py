"""The demo project under ASGI, noting what its application sends to the server."""

from __future__ import annotations

import json
import os
from pathlib import Path

from project.asgi import application as demo

FOLDER = Path(os.environ["IMAGES_VAR_DIR"])


async def application(scope, receive, send):
    """Serve one connection; a request with X-Note has each message noted under that name."""
    headers = dict(scope.get("headers", ()))
    note = FOLDER / f"{headers.get(b'x-note', b'other').decode()}.messages"

    async def note_and_send(message):
        with note.open("a") as notes:
            notes.write(json.dumps([message["type"], message.get("path")]) + "\n")
        await send(message)

    await demo(scope, receive, note_and_send if scope["type"] == "http" else send)
