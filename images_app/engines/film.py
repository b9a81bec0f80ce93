"""Film: the frames of an animation, resized one at a time, as the encoder asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

_SHORTEST = 20  # milliseconds; browsers take anything quicker for a mistake,
_INSTEAD = 100  # and show it for so long
_TO_BACKGROUND = 2  # a disposal of GIF
_LONGEST = 655_350  # the longest that GIF can say
_MOST_PLAYS = 65_535  # the most that WebP can say; more is for ever


class Film(Image.Image):
    """Looks to an encoder like an opened animation; in memory there is one frame.

    Args:
        source: the opened original.
        develop: makes the frame to encode from a decoded one.

    """

    def __init__(self, source: Image.Image, develop: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__()
        self.durations: list[int] = []  # milliseconds; grows with the frames that were seen
        self._source, self._develop = source, develop
        # A PNG may begin with a picture that is shown only where animation is not, and a GIF is
        # given an empty one.
        self._first = int(bool(source.info.get("default_image")))
        self.n_frames = count_frames(source)
        self._canvas = source.size
        self._at = -1
        self.plays = _count_plays(source)
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go to a frame, and develop it."""
        if frame == self._at:
            return
        if frame >= self.n_frames:
            raise EOFError
        self._source.seek(frame + self._first)
        if self._source.size != self._canvas:
            # A GIF may grow from frame to frame, beyond every limit that was checked.
            raise SyntaxError("the canvas grows")
        self._source.load()
        if self._first and self._source.format == "GIF":
            _empty_behind(self._source)
        developed = self._develop(self._source)
        self.im, self._mode, self._size = developed.im, developed.mode, developed.size
        self._at = frame
        if frame == len(self.durations):
            duration = round(self._source.info.get("duration") or 0)
            self.durations.append(min(duration, _LONGEST) if duration >= _SHORTEST else _INSTEAD)

    def tell(self) -> int:
        """Answer with the number of the frame."""
        return self._at


def _empty_behind(image: Any) -> None:
    """Have a frame leave nothing behind where it asks for the background, which is transparent."""
    if image.disposal_method == _TO_BACKGROUND and image.dispose_extent is not None:
        left, top, right, bottom = image.dispose_extent
        image.dispose = Image.new("RGBA", (right - left, bottom - top)).im


def count_frames(image: Image.Image) -> int:
    """Count the frames of an animation."""
    frames: int = getattr(image, "n_frames", 1)
    return frames - bool(image.info.get("default_image"))


def _count_plays(image: Image.Image) -> int:
    """Answer with how often the animation runs, 0 for ever.

    GIF counts repetitions where the others count runs, and none means one run.
    """
    loop = image.info.get("loop")
    if image.format == "GIF":
        loop = 1 if loop is None else loop and loop + 1
    plays = int(loop or 0)
    return plays if 0 <= plays <= _MOST_PLAYS else 0


def loop_option(image_format: str, plays: int) -> dict[str, Any]:
    """Answer with the encoder's option for so many runs."""
    if image_format != "gif":
        return {"loop": plays}
    return {} if plays == 1 else {"loop": max(0, plays - 1)}
