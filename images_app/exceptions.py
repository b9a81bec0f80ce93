"""Failures that Django has no word for; each knows its code, status and public sentence."""

from __future__ import annotations

from typing import ClassVar


def gettext_noop(message: str) -> str:
    """Mark a sentence for translation, without importing Django into the pure rooms."""
    return message


class ImagesAppError(Exception):
    """A failure with a stable code.

    ``public_message`` may be shown to anyone and says what to do next; it is an
    English template whose ``params`` are filled in after translation. ``str(error)``
    is for the log and never holds a path.
    """

    code: str = "error"
    status_code: int = 500
    public_message: str = gettext_noop("Something went wrong.")
    retry_after: int | None = None  # seconds

    def __init__(self, detail: str = "", **params: object) -> None:
        self.detail = detail
        self.params = params
        super().__init__(f"{self.code}: {detail or self.public_message % params}")


class UploadRefused(ImagesAppError):
    """Bytes that are not let in. The code says why; nothing was kept."""

    status_code = 400
    reasons: ClassVar[dict[str, str]] = {
        "empty": gettext_noop("The file is empty."),
        "too_large": gettext_noop("The file is larger than the allowed %(limit)s."),
        "not_an_image": gettext_noop(
            "This is not an image that can be read here. Allowed are %(allowed)s."
        ),
        "format_not_allowed": gettext_noop(
            "This is a %(found)s file, whatever its name says. Allowed are %(allowed)s."
        ),
        "too_many_pixels": gettext_noop(
            "The image has more pixels than allowed (%(limit)s megapixels). "
            "Make it smaller and try again."
        ),
        "too_many_frames": gettext_noop("The image has more than %(limit)s frames."),
        "animation_too_large": gettext_noop(
            "The animation has more than %(limit)s megapixels in all its frames. "
            "Make it smaller or shorter."
        ),
        "too_many_scans": gettext_noop(
            "The image is stored in more than %(limit)s scans. Export it again and retry."
        ),
        "too_many_texts": gettext_noop(
            "The image carries more than %(limit)s texts. Export it again without them."
        ),
        "too_complex": gettext_noop(
            "Reading the image takes too much memory or time. Export it again and retry."
        ),
        "damaged": gettext_noop("The image is damaged or incomplete. Export it again and retry."),
        "no_file": gettext_noop("No file was sent. Choose one and try again."),
        "one_file": gettext_noop("Send one file at a time."),
        "too_many_files": gettext_noop("Send at most %(limit)s files at a time."),
        "unreadable": gettext_noop("What was sent could not be read. Try again."),
        "too_long": gettext_noop("This is too much at once."),
        "read_before": gettext_noop(
            "A part of this site has read what you sent before it could be taken. "
            "Tell those who run the site."
        ),
        "length_required": gettext_noop("The length of what is sent must be said first."),
        "position": gettext_noop("The position must be a whole number from 0 on."),
        "duplicates": gettext_noop("What to do with duplicates is one of %(allowed)s."),
        "quota_user": gettext_noop(
            "Your images together would be larger than the allowed %(limit)s. "
            "Delete some and try again."
        ),
        "quota_gallery": gettext_noop(
            "The gallery is full: it may have %(limit)s images. Use another one."
        ),
        "unsupported": gettext_noop("The request is not of the kind that is understood here."),
        "chunk_too_large": gettext_noop("Send at most %(limit)s at a time."),
        "too_many_parts": gettext_noop("Send larger parts, at most %(limit)s of them."),
        "too_many_uploads": gettext_noop(
            "You have %(limit)s unfinished uploads. Finish or cancel some first."
        ),
    }
    # By what is wrong: the request, its size, or what is there already.
    statuses: ClassVar[dict[str, int]] = {
        "length_required": 411,
        "too_large": 413,
        "too_long": 413,
        "chunk_too_large": 413,
        "unsupported": 415,
        "quota_user": 409,
        "quota_gallery": 409,
        "too_many_uploads": 409,
    }

    def __init__(self, code: str, detail: str = "", **params: object) -> None:
        self.code = code
        self.status_code = self.statuses.get(code, 400)
        self.public_message = self.reasons[code]
        super().__init__(detail, **params)


class OffsetMismatch(ImagesAppError):
    """A part of an upload that does not begin where the upload stands."""

    code = "offset"
    status_code = 409
    public_message = gettext_noop("The upload goes on at byte %(offset)s.")


class ChecksumMismatch(ImagesAppError):
    """A part of an upload that is not what its sender says it is."""

    code = "checksum"
    status_code = 460  # of the tus protocol
    public_message = gettext_noop("Some of it was damaged on the way. Send it again.")


class BytesGone(ImagesAppError):
    """The record is there and its storage says that the bytes are not."""

    code = "bytes_gone"
    status_code = 410
    public_message = gettext_noop("The file of this image is gone.")


class BytesDamaged(BytesGone):
    """The stored bytes are not all there, or more than there were."""

    code = "bytes_damaged"
    public_message = gettext_noop("The file of this image is damaged.")


class StorageUnavailable(ImagesAppError):
    """The storage could not be asked."""

    code = "storage_unavailable"
    status_code = 503
    public_message = gettext_noop("The storage cannot be reached right now. Try again in a moment.")
    retry_after = 5


class Busy(ImagesAppError):
    """Too much is being decoded already, or another is making the same rendition."""

    code = "busy"
    status_code = 503
    public_message = gettext_noop("The server is busy with other images. Try again in a moment.")
    retry_after = 2


class EngineUnavailable(ImagesAppError):
    """Nothing can be decoded here; an operator has to look into the log."""

    code = "engine_unavailable"
    status_code = 503
    public_message = gettext_noop("Images cannot be read right now. Try again later.")
    retry_after = 60


class WrongPassword(ImagesAppError):
    """Not the password of this share link."""

    code = "wrong_password"
    status_code = 403
    public_message = gettext_noop("This is not the password.")


class TooManyGuesses(ImagesAppError):
    """The passwords tried on this share link were wrong too often; the right one waits too."""

    code = "too_many_guesses"
    status_code = 429
    public_message = gettext_noop("There were too many wrong passwords. Try again in a minute.")
    retry_after = 60


class TooManyLinks(ImagesAppError):
    """Who shares has as many live links to this as the settings allow."""

    code = "too_many_links"
    status_code = 409
    public_message = gettext_noop(
        "You have %(limit)s share links to this already. Revoke some of them first."
    )


class RenderFailed(ImagesAppError):
    """A kept original could not be decoded or encoded any more."""

    code = "render_failed"
    status_code = 503
    public_message = gettext_noop("This size of the image cannot be made right now.")
    retry_after = 60
