"""HTTP as values: headers, conditional answers, ranges, refusals."""

from __future__ import annotations

import asyncio
import re

import pytest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import AsyncRequestFactory, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from images_app.exceptions import (
    BytesGone,
    ImagesAppError,
    RenderFailed,
    StorageUnavailable,
    UploadRefused,
)
from images_app.http import (
    AsItIsResponse,
    ByteRange,
    RangeNotSatisfiable,
    cache_control,
    conditional_response,
    error_response,
    method_not_allowed,
    negotiate,
    not_found,
    plain_response,
    range_not_satisfiable,
    read_only,
    representation_headers,
    requested_range,
    safe_filename,
)
from images_app.representation import Representation
from images_app.specs import Preset

STRONG = '"7-original"'
WEAK = 'W/"7-0123456789abcdef"'
LONG_AGO = "Thu, 01 Jan 1970 00:00:01 GMT"
FAR_AHEAD = "Fri, 01 Jan 2100 00:00:00 GMT"


def make_representation(**values):
    defaults = {
        "content_type": "image/jpeg",
        "etag": STRONG,
        "filename": "cat.jpg",
        "is_attachment": False,
        "is_public": False,
        "max_age": 600,
        "locate": lambda: pytest.fail("headers need no storage"),
    }
    return Representation(**{**defaults, **values})


def get(**headers):
    return RequestFactory().get("/", headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_headers__private():
    assert representation_headers(make_representation()) == {
        "Content-Type": "image/jpeg",
        "ETag": STRONG,
        "Cache-Control": "private, max-age=600, immutable",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Vary": "Cookie",
        "X-Robots-Tag": "noindex",
        "Referrer-Policy": "same-origin",
        "Content-Disposition": 'inline; filename="cat.jpg"',
    }


def test_headers__public():
    assert representation_headers(make_representation(is_public=True)) == {
        "Content-Type": "image/jpeg",
        "ETag": STRONG,
        "Cache-Control": "public, max-age=600, immutable",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": 'inline; filename="cat.jpg"',
    }


@pytest.mark.parametrize(
    ("is_public", "max_age", "expected"),
    [
        (False, 600, "private, max-age=600, immutable"),
        (False, 1, "private, max-age=1, immutable"),
        (False, 0, "private, no-cache"),
        (False, -1, "private, no-cache"),
        (True, 600, "public, max-age=600, immutable"),
        (True, 0, "public, no-cache"),
    ],
)
def test_cache_control__cases(is_public, max_age, expected):
    assert cache_control(make_representation(is_public=is_public, max_age=max_age)) == expected


@pytest.mark.parametrize(
    ("filename", "is_attachment", "expected"),
    [
        ("cat.jpg", True, 'attachment; filename="cat.jpg"'),
        ("cat.jpg", False, 'inline; filename="cat.jpg"'),
        ('a"b.png', True, r'attachment; filename="a\"b.png"'),
        ("größe.png", True, "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.png"),
        ("x\r\nSet-Cookie: a=b", True, 'attachment; filename="x_Set-Cookie_ a=b"'),
        ("..", True, "attachment"),
        ("..", False, None),
        ("", False, None),
    ],
)
def test_disposition__cases(filename, is_attachment, expected):
    representation = make_representation(filename=filename, is_attachment=is_attachment)
    assert representation_headers(representation).get("Content-Disposition") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../../secret/key", "_.._.._secret_key"),
        ("/root/of/all", "_root_of_all"),
        (r"\\host\share\cat.png", "_host_share_cat.png"),
        (r"C:\cat.png", "C_cat.png"),
        ("cat.png/../dog.png", "cat.png_.._dog.png"),
        ("%2e%2e%2fcat.png", "%2e%2e%2fcat.png"),  # nothing decodes it again
        (".", ""),
        ("..", ""),
        (". . .", ""),
        ("", ""),
        (" ", ""),
        (".hidden", "hidden"),
        ("cat.png ", "cat.png"),
        ("cat.png...", "cat.png"),
        ("cat.png::$DATA", "cat.png_$DATA"),
        ("cat\x00.png", "cat_.png"),
        ("cat\r\nX-Evil: 1", "cat_X-Evil_ 1"),
        ("cat\x7f\x85\x9f.png", "cat_.png"),
        ("cat\u2028\u2029.png", "cat_.png"),
        ("gnp\u202e.exe", "gnp_.exe"),
        ("a\u061cb\u200bc\u200fd.png", "a_b_c_d.png"),
        ("a\u2066b\u2069.png", "a_b_.png"),
        ("cat\ud800.png", "cat?.png"),
        ("ca't, <b>.png", "ca't, <b>.png"),
        ('"><img src=x>.png', '"><img src=x>.png'),
        ("{{ 7 }}.png", "{{ 7 }}.png"),
        ("`id`;$(id).png", "`id`;$(id).png"),
        ("-rf.png", "-rf.png"),
        ("=1+1.png", "=1+1.png"),
        ("größe.png", "größe.png"),
        ("שלום.png", "שלום.png"),
        ("🐈.png", "🐈.png"),
        ("x" * 300 + ".png", "x" * 146 + ".png"),
        ("x." + "y" * 149, "y" * 149),  # cut in front of the dot, which must not lead
        ("XX.png", "XX.png"),
        ("x" * 9 + "X" + "y" * 149, "X" + "y" * 149),
    ],
)
def test_safe_filename__hostile_names(name, expected):
    assert safe_filename(name) == expected


@given(name=st.text(st.characters(codec=None), max_size=400))
def test_safe_filename__any_text_becomes_a_header(name):
    safe = safe_filename(name)
    assert len(safe) <= 150
    assert not re.search(r"[\x00-\x1f\x7f-\x9f/\\:\u2028-\u202e]", safe)
    assert safe == safe.strip(" .")
    assert safe_filename(safe) == safe
    representation = make_representation(filename=name, is_attachment=True)
    response = HttpResponse(headers=representation_headers(representation))
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("etag", "headers", "status"),
    [
        (STRONG, {}, None),
        (STRONG, {"If-None-Match": STRONG}, 304),
        (STRONG, {"If-None-Match": f"W/{STRONG}"}, 304),
        (STRONG, {"If-None-Match": f'"other", {STRONG}'}, 304),
        (STRONG, {"If-None-Match": "*"}, 304),
        (STRONG, {"If-None-Match": '"other"'}, None),
        (STRONG, {"If-None-Match": "7-original"}, None),
        (STRONG, {"If-None-Match": "nonsense"}, None),
        (WEAK, {"If-None-Match": WEAK}, 304),
        (WEAK, {"If-None-Match": WEAK.removeprefix("W/")}, 304),
        (STRONG, {"If-Match": STRONG}, None),
        (STRONG, {"If-Match": "*"}, None),
        (STRONG, {"If-Match": f'"other", {STRONG}'}, None),
        (STRONG, {"If-Match": '"other"'}, 412),
        (STRONG, {"If-Match": f"W/{STRONG}"}, 412),
        (WEAK, {"If-Match": WEAK}, 412),  # a strong comparison, which weak tags never pass
        (STRONG, {"If-Match": '"other"', "If-None-Match": STRONG}, 412),
        (STRONG, {"If-Match": STRONG, "If-None-Match": STRONG}, 304),
        # There is no Last-Modified, so conditions by date are ignored (RFC 9110 13.1.3, 13.1.4).
        (STRONG, {"If-Modified-Since": FAR_AHEAD}, None),
        (STRONG, {"If-Modified-Since": LONG_AGO}, None),
        (STRONG, {"If-Unmodified-Since": LONG_AGO}, None),
        (STRONG, {"If-Unmodified-Since": FAR_AHEAD}, None),
        (STRONG, {"If-Unmodified-Since": LONG_AGO, "If-None-Match": STRONG}, 304),
        (STRONG, {"If-Unmodified-Since": "nonsense"}, None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditional__status(etag, headers, status, method):
    request = RequestFactory().generic(method, "/", headers=headers)
    given = representation_headers(make_representation(etag=etag))
    response = conditional_response(request, etag, given)
    assert (response and response.status_code) == status


def test_conditional__304_has_the_full_set_and_no_body():
    headers = representation_headers(make_representation())
    response = conditional_response(get(If_None_Match=STRONG), STRONG, headers)
    assert dict(response.headers) == {
        name: value
        for name, value in headers.items()
        if name not in {"Content-Type", "Content-Disposition"}
    }
    assert list(response.streaming_content) == []


def test_conditional__304_is_empty_under_asgi_too():
    request = AsyncRequestFactory().get("/", headers={"If-None-Match": STRONG})
    headers = representation_headers(make_representation())
    response = conditional_response(request, STRONG, headers)

    async def read():
        return [block async for block in response]

    assert asyncio.run(read()) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_read_only__is_decided_before_csrf(method):
    view = read_only(lambda request: HttpResponse("seen"))
    request = RequestFactory(enforce_csrf_checks=True).generic(method, "/")
    refused = CsrfViewMiddleware(lambda request: None).process_view(request, view, (), {})
    assert refused is None
    answer = view(request)
    assert answer.status_code == (200 if method in {"GET", "HEAD"} else 405)
    assert answer.status_code == 200 or answer["Cache-Control"] == "no-store"


def test_read_only__passes_on_what_the_url_says():
    view = read_only(lambda request, *args, **kwargs: HttpResponse(f"{args} {kwargs}"))
    answer = view(RequestFactory().get("/"), "thumb", version=2)
    assert answer.content == b"('thumb',) {'version': 2}"


def test_conditional__412_is_not_stored():
    headers = representation_headers(make_representation(is_public=True))
    response = conditional_response(get(If_Match='"other"'), STRONG, headers)
    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers
    assert response.content == b"The image has changed."


@pytest.mark.parametrize(
    "headers",
    [
        {"If_None_Match": STRONG},
        {"If_None_Match": STRONG, "If_Unmodified_Since": LONG_AGO},
        {"If_Match": '"other"', "If_Unmodified_Since": LONG_AGO},
    ],
)
def test_conditional__leaves_the_request_as_it_was(headers):
    request = get(**headers)
    before = dict(request.META)
    conditional_response(request, STRONG, representation_headers(make_representation()))
    assert before == request.META  # the web server, if handed over to, is told the same


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=2-4", (2, 5)),
        ("bytes=9-9", (9, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=5-999", (5, 10)),
        ("bytes=-1", (9, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-999", (0, 10)),
        ("bytes=0-999999999999999999", (0, 10)),
        ("BYTES=1-2", (1, 3)),
        (" bytes=1-2 ", (1, 3)),
        ("bytes = 1-2", (1, 3)),
        ("bytes=10-", "unsatisfiable"),
        ("bytes=10-11", "unsatisfiable"),
        ("bytes=999999999999999999-", "unsatisfiable"),
        ("bytes=-0", "unsatisfiable"),
        # What follows makes no sense or asks for more than one part: the whole (RFC 9110 14.2).
        ("bytes=4-2", None),
        ("bytes=99-98", None),
        ("bytes=0-1,3-4", None),
        ("bytes=0-0,0-0,0-0", None),
        ("bytes=0-1,", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=--1", None),
        ("bytes=a-b", None),
        ("bytes=1.5-2", None),
        ("bytes=0x1-2", None),
        ("bytes=+1-2", None),
        ("bytes=\u0661-2", None),
        ("bytes=9999999999999999999-", None),
        ("bytes=0-9999999999999999999", None),
        ("bytes=-9999999999999999999", None),
        ("bytes 0-1", None),
        ("items=0-1", None),
        ("0-1", None),
        ("", None),
    ],
)
def test_range__of_ten_bytes(value, expected):
    request = RequestFactory().get("/", **({} if value is None else {"HTTP_RANGE": value}))
    if expected == "unsatisfiable":
        with pytest.raises(RangeNotSatisfiable):
            requested_range(request, STRONG, 10)
        return
    part = requested_range(request, STRONG, 10)
    assert (part and (part.start, part.stop)) == expected


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_range__is_for_get_only(method):
    request = RequestFactory().generic(method, "/", headers={"Range": "bytes=99-"})
    assert requested_range(request, STRONG, 10) is None


@pytest.mark.parametrize(
    ("etag", "condition", "is_honoured"),
    [
        (STRONG, STRONG, True),
        (STRONG, f" {STRONG} ", True),
        (STRONG, '"other"', False),
        (STRONG, f"W/{STRONG}", False),
        (STRONG, "*", False),
        (STRONG, f'{STRONG}, "other"', False),
        (STRONG, FAR_AHEAD, False),
        (STRONG, "", False),
        (WEAK, WEAK, False),
        (WEAK, WEAK.removeprefix("W/"), False),
    ],
)
def test_if_range__needs_a_strong_match(etag, condition, is_honoured):
    request = get(Range="bytes=0-0", If_Range=condition)
    assert (requested_range(request, etag, 10) is not None) is is_honoured


def test_if_range__a_stale_one_never_makes_a_416():
    assert requested_range(get(Range="bytes=99-", If_Range='"old"'), STRONG, 10) is None


@given(
    length=st.integers(0, 50),
    first=st.none() | st.integers(0, 60),
    last=st.none() | st.integers(0, 60),
)
def test_range__says_what_slicing_says(length, first, last):
    if first is None and last is None:
        return
    content = bytes(range(length))
    if first is None:
        expected = content[length - last :] if last < length else content
    elif last is None:
        expected = content[first:]
    else:
        expected = content[first : last + 1]
    if first is None and last == 0:
        expected = b""
    value = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = requested_range(get(Range=value), STRONG, length)
    except RangeNotSatisfiable:
        assert expected == b""
        return
    if part is None:
        assert None not in {first, last}
        assert last < first
        return
    assert content[part.start : part.stop] == expected
    assert part.length == len(expected) > 0
    assert part.content_range(length) == f"bytes {part.start}-{part.stop - 1}/{length}"


@given(value=st.text(max_size=30), length=st.integers(0, 10**12))
def test_range__nonsense_never_leaves_the_bytes(value, length):
    try:
        part = requested_range(
            RequestFactory().get("/", HTTP_RANGE=f"bytes={value}"), STRONG, length
        )
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.stop <= length


def test_byte_range__is_half_open():
    part = ByteRange(start=2, stop=5)
    assert (part.length, part.content_range(10)) == (3, "bytes 2-4/10")


REFUSAL_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@pytest.mark.parametrize(
    ("make", "status", "text", "more"),
    [
        (lambda: plain_response(200, "ok"), 200, "ok", {}),
        (not_found, 404, "Not found.", {}),
        (method_not_allowed, 405, "Method not allowed.", {"Allow": "GET, HEAD"}),
        (
            lambda: range_not_satisfiable(10),
            416,
            "Range not satisfiable.",
            {"Content-Range": "bytes */10"},
        ),
        (lambda: error_response(ImagesAppError()), 500, "Something went wrong.", {}),
        (lambda: error_response(BytesGone("/a/path")), 410, BytesGone.public_message, {}),
        (
            lambda: error_response(StorageUnavailable("OSError")),
            503,
            StorageUnavailable.public_message,
            {"Retry-After": "5"},
        ),
        (
            lambda: error_response(RenderFailed()),
            503,
            RenderFailed.public_message,
            {"Retry-After": "60"},
        ),
        (
            lambda: error_response(UploadRefused("too_many_frames", limit=3)),
            400,
            "The image has more than 3 frames.",
            {},
        ),
    ],
)
def test_refusal__text_and_headers(make, status, text, more):
    response = make()
    assert (response.status_code, response.content.decode()) == (status, text)
    assert dict(response.headers) == {**REFUSAL_HEADERS, **more}


def choices(*formats):
    return tuple(Preset(name="x", widths=(9,), formats=formats).spec(9, name) for name in formats)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        # What browsers send: Chrome, Firefox, Safari 16, an old Safari.
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif"),
        ("image/webp,image/avif,video/*;q=0.8,*/*;q=0.5", "avif"),
        ("image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", "jpeg"),
        ("image/webp", "webp"),
        ("IMAGE/WEBP ; q=0.3", "webp"),
        ("image/avif;q=0, image/webp", "webp"),
        ("image/avif;q=0.000, image/webp;q=0", "jpeg"),
        ("image/avif;q=0.001", "avif"),
        ("image/avif ; q = 0 , image/webp", "webp"),
        # Who names nothing may know nothing, and who wants no image gets one all the same.
        ("*/*", "jpeg"),
        ("image/*", "jpeg"),
        ("", "jpeg"),
        ("text/html", "jpeg"),
        (",;,=;q", "jpeg"),
        ("image/avifx", "jpeg"),
    ],
)
def test_negotiate__takes_the_best_that_is_named(accept, chosen):
    assert negotiate(accept, choices("avif", "webp", "jpeg")).format == chosen


def test_negotiate__of_one_there_is_no_choice():
    assert negotiate("image/webp", choices("png")).format == "png"


@pytest.mark.parametrize(
    ("is_public", "is_negotiated", "vary"),
    [
        (False, False, "Cookie"),
        (False, True, "Accept, Cookie"),
        (True, True, "Accept"),
        (True, False, None),
    ],
)
def test_vary__names_what_the_answer_depends_on(is_public, is_negotiated, vary):
    representation = make_representation(is_public=is_public, is_negotiated=is_negotiated)
    assert representation_headers(representation).get("Vary") == vary


def test_as_it_is__says_that_its_coding_is_decided_and_sends_no_such_header():
    response = AsItIsResponse(b"image", headers={"ETag": STRONG})
    for name in ("Content-Encoding", "content-encoding"):
        assert response.has_header(name)
        assert name in response
        assert response[name] == "identity"
    assert "Content-Encoding" not in response.headers
    assert response.get("Content-Encoding") is None
    assert b"ncoding" not in response.serialize_headers()
    response.headers["Content-Encoding"] = "gzip"
    assert response["Content-Encoding"] == "gzip"


def test_as_it_is__has_other_headers_as_any_answer():
    response = AsItIsResponse(b"image", headers={"ETag": STRONG})
    assert response.has_header("etag")
    assert "Vary" not in response
    assert response["ETag"] == STRONG
    with pytest.raises(KeyError):
        response["Vary"]
