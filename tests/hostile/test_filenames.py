"""Hostile file names: what is stored is named by us, and what is shown is text wherever it is.

The names come in by every way: a tree, an archive, the admin's form, the endpoint of uploads.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import uuid
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils.http import parse_header_parameters

from images_app.ingest import ingest_image
from images_app.models import Gallery, Image
from tests.parts import CORPUS, need
from tests.pictures import picture

pytestmark = pytest.mark.django_db
LIST = CORPUS.parent / "lists" / "hostile_filenames.txt"
MORE = (
    "a\r\nSet-Cookie: taken=1\r\n\r\n<script>.png",
    "a\x1b]0;title\x07\x1b[2J.png",
    "\u202egnp.exe",
    "a\u2028b\u2029c.png",
    "a\x85b\x7fc.png",
    "=cmd|'/c calc'!A0.png",
    '";filename=evil.html;x=".png',
    "a&amp;b&lt;i&gt;.png",
    "\ufeff\u200f.png",
    "\ud800.png",  # half of a character
    "%00%0d%0aX: y.png",
    "{{ settings.SECRET_KEY }}.png",
)
STORED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\.png")
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff]")
SPECIAL = re.compile(r"[^A-Za-z0-9. -]")  # what some language has a meaning for
HARMLESS = "harmless cat.png"


def hostile_names():
    return [*(LIST.read_text().splitlines() if LIST.exists() else ()), *MORE]


NAMES = hostile_names()


@pytest.fixture(autouse=True)
def _list():
    need("the list of file names", is_there=LIST.exists())


@pytest.fixture
def root(make_user):
    return make_user("root", is_staff=True, is_superuser=True)


def pictures():
    """One picture after the other, none like another."""
    for number in itertools.count():
        yield picture("PNG", size=(9, 9), color=(number % 256, number // 256, 7))


def assert_named_by_us(files):
    """Every stored name is ours, and no file lies anywhere else."""
    images = Image.objects.all()
    assert all(STORED.fullmatch(image.storage_name) for image in images)
    assert [file for file in files() if file.startswith("images/")] == sorted(
        f"images/{image.storage_name}" for image in images
    )
    for image in images:
        assert not UNSAFE.search(image.file_name), ascii(image.file_name)
        assert not UNSAFE.search(image.title)
        assert len(image.file_name) <= 150


# --- ways in ----------------------------------------------------------------------------------


def test_tree__of_hostile_names(root, files, tmp_path):
    folder, written = tmp_path / "tree", []
    folder.mkdir()
    for name, content in zip(NAMES, pictures(), strict=False):
        try:
            path = os.fsencode(folder) + b"/" + name.encode(errors="surrogatepass")
            Path(os.fsdecode(path)).write_bytes(content)
        except (OSError, ValueError):
            continue  # no file can bear that name
        written.append(name)
    assert len(written) >= 35
    out, err = io.StringIO(), io.StringIO()
    call_command("images_import", folder, gallery="Tree", owner="root", stdout=out, stderr=err)
    hidden = sum(name.startswith(".") for name in written)
    assert out.getvalue().startswith(f"{len(written) - hidden} imported, 0 already there, 0 failed")
    assert err.getvalue() == ""
    assert not [name for name in files() if not name.startswith(("images/", "tree/"))]
    assert Image.objects.count() == len(written) - hidden
    assert_named_by_us(lambda: [name for name in files() if name.startswith("images/")])


def test_tree__of_hostile_names_is_printed_without_what_a_terminal_obeys(root, tmp_path):
    for name in NAMES:
        try:
            path = os.fsencode(tmp_path) + b"/" + name.encode(errors="surrogatepass")
            Path(os.fsdecode(path)).write_bytes(b"no picture")
        except (OSError, ValueError):
            continue
    out, err = io.StringIO(), io.StringIO()
    given = {"gallery": "x", "owner": "root", "dry_run": True}
    with pytest.raises(SystemExit):
        call_command("images_import", tmp_path, **given, stdout=out, stderr=err)
    lines = err.getvalue().split("\n")
    assert len(lines) > 35
    # The reasons have a no-break space, which filesizeformat puts there.
    assert all(line.replace("\xa0", " ").isprintable() for line in lines)


OUT_OF_THE_ARCHIVE = {"../../../etc/passwd", "/etc/passwd", "x.png/../../y.png", ".."}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_archive__of_a_hostile_name(root, files, tmp_path, name):
    path = tmp_path / "a.zip"
    placeholder = "~" * len(name.encode(errors="replace"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(placeholder, picture("PNG"))
    flagged = path.read_bytes().replace(placeholder.encode(), name.encode(errors="replace"))
    path.write_bytes(set_utf8_flags(flagged))
    if name in OUT_OF_THE_ARCHIVE or re.search(r"[\x00-\x1f\x7f-\x9f\\]", name):
        with pytest.raises(CommandError, match="leads out of it") as caught:
            call_command("images_import", path, gallery="Zip", owner="root")
        assert str(caught.value).isprintable()
        assert not Image.objects.exists()
        return
    out, err = io.StringIO(), io.StringIO()
    call_command("images_import", path, gallery="Zip", owner="root", stdout=out, stderr=err)
    assert Image.objects.count() == (not name.startswith("."))
    assert_named_by_us(files)


def set_utf8_flags(content):
    """Say in both headers of a ZIP that the name is UTF-8."""
    changed = bytearray(content)
    directory = int.from_bytes(content[-6:-2], "little")
    changed[6:8] = changed[directory + 8 : directory + 10] = (0x800).to_bytes(2, "little")
    return bytes(changed)


def multipart(name, field, content, **fields):
    """A body as a careless or hostile client writes it; browsers escape quotes and line ends."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{escaped}"\r\n'
    head += "Content-Type: image/png\r\n\r\n"
    return b"".join(parts) + head.encode(errors="surrogatepass") + content + b"\r\n--x--\r\n"


@pytest.mark.parametrize("way", ["form", "endpoint"])
def test_upload__of_hostile_names(client, root, files, way):
    client.force_login(root)
    url, field = {
        "form": ("/admin/images_app/image/add/", "images"),
        "endpoint": ("/images/upload/", "file"),
    }[way]
    taken = 0
    for name, content in zip(NAMES, pictures(), strict=False):
        body = multipart(name, field, content)
        response = client.generic("POST", url, body, "multipart/form-data; boundary=x")
        assert response.status_code < 500
        if way == "endpoint":
            taken += response.status_code == 201
            assert_json_is_safe(response)
        else:
            taken += response.status_code == 302
        if response.status_code not in {201, 302}:
            # Django drops a file whose name is nothing but a path, or no text.
            assert name in {"..", "\ud800.png"}, ascii(name)
    assert taken == Image.objects.count() >= len(NAMES) - 3
    assert_named_by_us(files)


def assert_json_is_safe(response):
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not [v for v in response.headers.values() if not v.isprintable()]
    answer = json.loads(response.content)
    assert response.content.isascii()  # json.dumps escapes the others
    if response.status_code == 201:
        image = Image.objects.get(public_id=answer["image"]["id"])
        assert answer["image"]["file_name"] == image.file_name
        assert not UNSAFE.search(image.file_name)


# --- where they are shown ---------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a page and their attributes, without what they say."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, *sorted(name for name, _ in attrs)))


def elements(response):
    assert response.status_code == 200
    return Elements(response.content.decode()).found


@pytest.fixture
def arrived(root):
    """An image of each name, and one of a harmless name, each with title and texts that are its."""
    images, names = {}, [HARMLESS, *filter(SPECIAL.search, NAMES)]
    assert len(names) > 20
    for name, content in zip(names, pictures(), strict=False):
        file = SimpleUploadedFile("x", content)
        file._name = name  # Django's uploads clean theirs
        image = ingest_image(file, owner=root)
        texts = re.sub(r"[\x00\ud800-\udfff]", "", name)[:150] or "x"
        image.title = image.alt_text = image.caption = texts
        image.save()
        images[name] = image
    return images


def test_page__has_the_elements_of_a_harmless_name(client, root, arrived):
    client.force_login(root)
    # A caption has a paragraph for every empty line.
    Image.objects.update(caption="")
    harmless = arrived.pop(HARMLESS)
    for page in ("/images/{id}/", "/admin/images_app/image/{pk}/change/"):
        expected = elements(client.get(page.format(id=harmless.public_id, pk=harmless.pk)))
        assert len(expected) > 10
        for name, image in arrived.items():
            shown = client.get(page.format(id=image.public_id, pk=image.pk))
            assert elements(shown) == expected, ascii(name)


def test_list__has_the_elements_of_harmless_names(client, root, arrived):
    client.force_login(root)
    gallery = Gallery.objects.create(title=NAMES[0], owner=root, visibility="public")
    for image in arrived.values():
        gallery.append(image)
    lists = ("/admin/images_app/image/", "/admin/images_app/galleryitem/")
    urls = (gallery.get_absolute_url(), *lists)
    hostile = [elements(client.get(url)) for url in urls]
    Image.objects.update(title=HARMLESS, alt_text=HARMLESS, caption="", file_name=HARMLESS)
    assert hostile == [elements(client.get(url)) for url in urls]


def test_download__offers_a_safe_name(client, root, arrived):
    client.force_login(root)
    for name, image in arrived.items():
        response = client.get(f"{image.original_url}?download")
        assert response.status_code == 200
        response.close()
        header = response.headers["Content-Disposition"]
        assert header.isascii()
        assert header.isprintable()
        kind, given = parse_header_parameters(header)
        assert kind == "attachment"
        assert set(given) <= {"filename"}, ascii(name)
        assert not UNSAFE.search(given.get("filename", ""))
        assert response.headers["Content-Type"] == "image/png"
        assert "Set-Cookie" not in response.headers


def test_export__names_its_files_safely(root, arrived, tmp_path):
    folder = tmp_path / "export"
    call_command("images_export", "root", str(folder), verbosity=0)
    exported = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert len(exported) == len(arrived) + 2
    for name in exported:
        assert name in {"images", "export.json"} or re.fullmatch(
            r"images/\d{6}(-[^\x00-\x1f\x7f<>:\"/\\|?*]{1,120})?\.png", name
        )
    document = json.loads((folder / "export.json").read_text())
    assert sorted(row["file"] for row in document["images"]) == exported[2:]
    names = [row["file_name"] for row in document["images"]]
    assert sorted(names) == sorted(Image.objects.values_list("file_name", flat=True))


def test_csv__has_no_names_and_no_more_columns(client, root, arrived, settings):
    settings.IMAGES_APP = {"ACCESS_LOG": ["page", "denial"]}
    client.force_login(root)
    for image in arrived.values():
        client.get(image.get_absolute_url())
        client.get(f"/images/{uuid.uuid4()}/?name={image.title}")
    out = io.StringIO()
    call_command("images_audit", stdout=out)
    head, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert len(rows) == 2 * len(arrived)
    assert {len(row) for row in rows} == {len(head)}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert not [name for name in arrived if name in out.getvalue()]
