"""An engine in child processes, so that no file can take more memory or time than it may.

The limits are the kernel's: whatever a decoder does with a hostile file, it is the child that
dies. It is no sandbox: a hole in a decoder gives away a process of the same user, though one that
holds neither settings nor connections, and whose answers are checked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO

from images_app.engines.answers import header_of, inspection_of, sizes_of
from images_app.engines.base import Header, Inspection, Output
from images_app.engines.children import ChildDiedError, EngineFailedError, pool_of
from images_app.engines.interpreter import find_interpreter
from images_app.engines.worker import load_engine
from images_app.exceptions import ImagesAppError, RenderFailed, UploadRefused
from images_app.specs import Size


class BoundedEngine:
    """Runs another engine in child processes, which are kept for the next call.

    Args:
        backend: the dotted path of the engine, which may know no Django.
        memory_bytes: how much memory one child may take beyond what it starts with.
        cpu_seconds: how much processor time one call may take, times its outputs.
        python: the interpreter, where none of this version is found (embedded ones).
        temporary_folder: where files are copied to that a child cannot read by itself; by default
            ``FILE_UPLOAD_TEMP_DIR``, else the system's.

    Calls raise as the engine does; besides ``UploadRefused`` with the code ``too_complex``
    where a limit was met, and EngineUnavailable where no child can be started.

    """

    def __init__(
        self,
        *,
        backend: str = "images_app.engines.pillow.PillowEngine",
        memory_bytes: int = 1536 * 2**20,
        cpu_seconds: int = 30,
        python: str = "",
        temporary_folder: str | None = None,
    ) -> None:
        for name, value in (("memory_bytes", memory_bytes), ("cpu_seconds", cpu_seconds)):
            if type(value) is not int or value < 1:
                message = f"{name} is a whole number, 1 or more"
                raise ValueError(message)
        interpreter = find_interpreter(python)
        engine = load_engine(backend)
        if isinstance(engine, BoundedEngine):
            raise ValueError("backend is an engine that decodes by itself")  # noqa: TRY004
        self.memory_bytes = memory_bytes
        self.temporary_folder = temporary_folder
        self.output_version = engine.output_version
        self.input_formats = engine.input_formats
        self.draws_watermarks = bool(getattr(engine, "draws_watermarks", False))
        self._pool = pool_of(interpreter, backend, memory_bytes, cpu_seconds)

    def read_header(self, file: IO[bytes], formats: tuple[str, ...], *, max_pixels: int) -> Header:
        """Read the header; see Engine."""
        with _failing_as(UploadRefused("too_complex")):
            answer = self._pool.call(
                "read_header",
                file,
                (),
                self.temporary_folder,
                formats=formats,
                max_pixels=max_pixels,
            )
            return header_of(answer, formats)

    def inspect(self, file: IO[bytes], formats: tuple[str, ...]) -> Inspection:
        """Decode the whole file once; see Engine."""
        with _failing_as(UploadRefused("too_complex")):
            return inspection_of(
                self._pool.call("inspect", file, (), self.temporary_folder, formats=formats)
            )

    def render(
        self,
        source: IO[bytes],
        outputs: Sequence[Output],
        *,
        source_format: str,
        full_size: Size,
        focal_point: tuple[float, float],
    ) -> list[Size]:
        """Make renditions; see Engine."""
        with _failing_as(RenderFailed("the child's limits, or its end")):
            answer = self._pool.call(
                "render",
                source,
                outputs,
                self.temporary_folder,
                source_format=source_format,
                full_size=full_size,
                focal_point=focal_point,
            )
            return sizes_of(answer, outputs, full_size)


# All but the first are an answer that makes no sense.
_FAILURES = (
    *(ChildDiedError, AttributeError, ArithmeticError),
    *(LookupError, TypeError, ValueError),
)


@contextlib.contextmanager
def _failing_as(failure: ImagesAppError) -> Iterator[None]:
    """Turn the end of a child, or an answer that makes no sense, into our failure."""
    try:
        yield
    except EngineFailedError as error:
        raise type(failure)(str(error)) if isinstance(failure, RenderFailed) else failure from error
    except _FAILURES as error:
        raise failure from error
