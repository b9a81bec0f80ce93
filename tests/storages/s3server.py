"""A real S3 server for tests: rclone, which checks signatures, on a folder of the test's."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.parts import need

_STARTED = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What a client needs to know; ``url`` has no slash at its end."""

    url: str
    access_key: str
    secret_key: str
    bucket: str

    @property
    def options(self) -> dict[str, str]:
        """OPTIONS of a PrivateS3Storage that keeps its objects here."""
        return {
            "endpoint_url": self.url,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "bucket_name": self.bucket,
            "region_name": "us-east-1",
            "addressing_style": "path",
        }


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[Endpoint]:
    """Serve the folders in ``folder`` as buckets, on a free port; one of them is made."""
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent))
    need("rclone", is_there=rclone is not None)
    need("django-storages", is_there=find_spec("storages") is not None)
    access_key, secret_key, bucket = "KEYOFGOODLENGTH", "secret", "private-images"
    (folder / bucket).mkdir(parents=True)
    command = [
        *(rclone, "serve", "s3", "--addr", "127.0.0.1:0", "--config", "/dev/null"),
        *("--auth-key", f"{access_key},{secret_key}", str(folder)),
    ]
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as said, subprocess.Popen(command, stderr=said) as process:
        try:
            url = _address(process, log)
            yield Endpoint(url=url, access_key=access_key, secret_key=secret_key, bucket=bucket)
        finally:
            process.terminate()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that says where it listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if found := _STARTED.search(log.read_text()):
            return found.group()
        time.sleep(0.02)
    message = f"rclone did not start: {log.read_text()}"
    raise RuntimeError(message)
