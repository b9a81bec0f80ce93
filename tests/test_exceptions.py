"""Failures: their codes, statuses and sentences."""

from __future__ import annotations

import pytest

from images_app.exceptions import (
    BytesGone,
    ImagesAppError,
    RenderFailed,
    StorageUnavailable,
    UploadRefused,
)

PARAMS = {"limit": "7", "found": "PDF", "allowed": "JPEG"}


@pytest.mark.parametrize(
    ("failure", "code", "status", "retry_after"),
    [
        (ImagesAppError, "error", 500, None),
        (BytesGone, "bytes_gone", 410, None),
        (StorageUnavailable, "storage_unavailable", 503, 5),
        (RenderFailed, "render_failed", 503, 60),
    ],
)
def test_failure__keeps_its_code_and_status(failure, code, status, retry_after):
    error = failure()
    assert (error.code, error.status_code, error.retry_after) == (code, status, retry_after)
    assert str(error) == f"{code}: {error.public_message}"


def test_failure__detail_is_for_the_log_only():
    error = StorageUnavailable("ConnectionError")
    assert str(error) == "storage_unavailable: ConnectionError"
    assert "ConnectionError" not in error.public_message


OF_FILES = {
    "empty",
    "too_large",
    "not_an_image",
    "format_not_allowed",
    "too_many_pixels",
    "too_many_frames",
    "animation_too_large",
    "too_many_scans",
    "too_many_texts",
    "too_complex",
    "damaged",
}
OF_REQUESTS = {
    "no_file",
    "one_file",
    "too_many_files",
    "unreadable",
    "too_long",
    "read_before",
    "length_required",
    "position",
    "duplicates",
    "quota_user",
    "quota_gallery",
    "unsupported",
    "chunk_too_large",
    "too_many_parts",
    "too_many_uploads",
}


def test_refusal__codes_are_pinned():
    assert set(UploadRefused.reasons) == OF_FILES | OF_REQUESTS


def test_refusal__statuses_are_pinned():
    assert UploadRefused.statuses == {
        "length_required": 411,
        "too_large": 413,
        "too_long": 413,
        "chunk_too_large": 413,
        "unsupported": 415,
        "quota_user": 409,
        "quota_gallery": 409,
        "too_many_uploads": 409,
    }


@pytest.mark.parametrize("code", UploadRefused.reasons)
def test_refusal__is_a_whole_sentence_and_a_status_of_the_clients(code):
    error = UploadRefused(code, **PARAMS)
    sentence = error.public_message % error.params
    assert (error.code, error.status_code) == (code, UploadRefused.statuses.get(code, 400))
    assert sentence.endswith(".")
    assert "%" not in sentence
    assert str(error) == f"{code}: {sentence}"


def test_refusal__an_unknown_code_is_a_bug():
    with pytest.raises(KeyError):
        UploadRefused("nonsense")
