"""The size gate: how much of a form is read and stored, and what a view gets of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.views.decorators.csrf import csrf_exempt

from images_app.exceptions import UploadRefused
from images_app.forms import UploadForm
from images_app.models import Gallery
from images_app.uploads import gate, gated, linger, longest_body
from images_app.uploads.handler import TooLargeFile
from tests.pictures import noise, picture

LIMIT = 5000
BIG = "x" * 70_000  # more than one block of the parser


@pytest.fixture(autouse=True)
def limit(settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": LIMIT}


@pytest.fixture
def temporary(settings, tmp_path):
    """Where uploads wait while they arrive; each of them there."""
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    settings.FILE_UPLOAD_TEMP_DIR = folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def form(*files, path="/", csrf=False, **fields):
    """A POST of some files, named by their contents' beginning."""
    sent = [SimpleUploadedFile(f"{n}.jpg", _bytes(file)) for n, file in enumerate(files)]
    request = RequestFactory().post(path, {"images": sent, **fields})
    request._dont_enforce_csrf_checks = not csrf
    return request


def _bytes(content):
    return content.encode() if isinstance(content, str) else content


def seen_by(view_options, request):
    """What a view gets: names, sizes and contents; or the answer in its place."""
    seen = {}

    @gated(**view_options)
    def view(request):
        for file in request.FILES.getlist("images"):
            try:
                seen[file.name] = file.read()
            except UploadRefused as error:
                seen[file.name] = error.code
        return HttpResponse("seen")

    response = view(request)
    request.close()
    return seen if response.content == b"seen" else response


def test_longest_body__is_that_of_the_files_and_a_little():
    assert longest_body() == LIMIT + 2**20
    assert longest_body(most_files=3) == 3 * LIMIT + 2**20
    assert longest_body(most_files=None) == 10 * LIMIT + 2**20


def test_several__the_one_that_is_too_large_is_the_only_one_refused(temporary):
    seen = seen_by({"most_files": None}, form("a" * LIMIT, "b" * (LIMIT + 1), BIG, "c"))
    assert seen == {
        "0.jpg": b"a" * LIMIT,
        "1.jpg": "too_large",
        "2.jpg": "too_large",
        "3.jpg": b"c",
    }
    assert list(temporary.iterdir()) == []


def test_several__nothing_of_what_is_too_large_stays_on_disk(temporary, monkeypatch):
    left = []

    @gated(most_files=None)
    def view(request):
        left.extend(path.stat().st_size for path in temporary.iterdir())
        return HttpResponse("seen")

    request = form(BIG, BIG, "good", BIG)
    view(request)
    request.close()
    assert left == [4]


def test_several__hosts_handlers_never_get_more_than_the_limit(settings, monkeypatch):
    from django.core.files.uploadhandler import MemoryFileUploadHandler

    got = []
    original = MemoryFileUploadHandler.receive_data_chunk

    def noting(self, data, start):
        got.append(len(data))
        return original(self, data, start)

    monkeypatch.setattr(MemoryFileUploadHandler, "receive_data_chunk", noting)
    assert seen_by({"most_files": None}, form(BIG)) == {"0.jpg": "too_large"}
    assert sum(got) <= LIMIT


@pytest.mark.django_db
def test_several__the_form_says_which_one_is_too_large():
    said = []

    @gated(most_files=None)
    def view(request):
        form = UploadForm(request.POST, request.FILES, galleries=Gallery.objects.none())
        assert form.is_valid()
        said.extend(image.file_name for image in form.ingest(owner=None))
        said.append(form.errors["images"])
        return HttpResponse()

    view(form(picture(), noise(), picture("PNG")))
    assert said[:2] == ["0.jpg", "2.jpg"]
    assert len(said[2]) == 1
    assert said[2][0].startswith("1.jpg: The file is larger than the allowed")


@pytest.mark.parametrize(
    ("most_files", "number", "code"),
    [(1, 1, None), (1, 2, "Send one file at a time."), (2, 3, "Send at most 2 files at a time.")],
)
def test_number__is_bounded(most_files, number, code, temporary):
    answer = seen_by({"most_files": most_files}, form(*["a"] * number))
    if code is None:
        assert answer == {"0.jpg": b"a"}
    else:
        assert (answer.status_code, answer.content.decode()) == (400, code)
    assert list(temporary.iterdir()) == []


def test_number__of_a_form_is_djangos(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = seen_by({"most_files": None}, form("a", "b", "c"))
    assert (answer.status_code, answer.content) == (400, b"Send at most 2 files at a time.")


def test_length__of_the_body_is_asked_first(monkeypatch):
    request = form("a")
    request.META["CONTENT_LENGTH"] = str(longest_body() + 1)
    answer = seen_by({}, request)
    assert answer.status_code == 413
    assert answer.headers["Cache-Control"] == "no-store"
    assert not hasattr(request, "_files")
    request = form("a")
    request.META["CONTENT_LENGTH"] = "-5"
    assert seen_by({}, request).status_code == 400


def test_refusal__may_look_otherwise():
    def refuse(error):
        return HttpResponse(error.code, status=418)

    assert seen_by({"refuse": refuse}, form("a", "b")).content == b"one_file"


def test_get__passes():
    @gated()
    def view(request):
        return HttpResponse("seen")

    assert view(RequestFactory().get("/")).content == b"seen"


def test_csrf__is_checked_inside(rf):
    @gated(most_files=None)
    def view(request):
        return HttpResponse("seen")

    assert view.csrf_exempt
    assert view(form("a", csrf=True)).status_code == 403
    request = rf.get("/")
    token = get_token(request)
    good = form("a", csrf=True, csrfmiddlewaretoken=token)
    good.COOKIES["csrftoken"] = request.META["CSRF_COOKIE"]
    assert view(good).content == b"seen"


def test_methods__of_an_admin_can_be_guarded():
    class Admin:
        @csrf_exempt
        def add_view(self, request, form_url=""):
            return self._add(request, form_url=form_url)

        @gated(most_files=None)
        def _add(self, request, *, form_url):
            return HttpResponse(f"{len(request.FILES.getlist('images'))}{form_url}")

    assert Admin().add_view.csrf_exempt
    assert Admin().add_view(form("a", "b"), form_url="!").content == b"2!"


def test_linger__drops_what_is_short_only(monkeypatch):
    monkeypatch.setattr(gate, "LINGERING", 1000)
    for size, left in ((500, 0), (5000, 5000)):
        request = RequestFactory().post("/", b"x" * size, content_type="text/plain")
        linger(request)
        assert len(request.read()) == left


def test_too_large_file__refuses_to_be_read():
    file = TooLargeFile("cat.jpg", 2_000_000)
    assert (file.name, file.size) == ("cat.jpg", 2_000_001)
    for read in (file.read, lambda: list(file.chunks())):
        with pytest.raises(UploadRefused, match="too_large"):
            read()


def test_temporary_files__are_where_django_puts_them(temporary):
    """A guard of these tests themselves."""
    assert tempfile.gettempdir() != str(temporary)
    kept = []

    @gated()
    def view(request):
        kept.append(Path(request.FILES["images"].temporary_file_path()).parent)
        return HttpResponse()

    request = form("a")
    view(request)
    request.close()
    assert kept == [temporary]


def test_number__of_what_is_too_many_nothing_is_stored(temporary, monkeypatch):
    from django.core.files.uploadhandler import TemporaryFileUploadHandler

    begun = []
    original = TemporaryFileUploadHandler.new_file

    def noting(self, *args, **kwargs):
        begun.append(args[1])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", noting)
    assert seen_by({}, form("a", "b", "c")).status_code == 400
    assert begun == ["0.jpg"]
