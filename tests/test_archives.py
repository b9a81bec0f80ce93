"""ZIP archives: attacks are refused whole, bad entries one by one, nothing unpacked by its name."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images_app import archives
from images_app.archives import (
    Archive,
    ArchiveLimits,
    ArchiveRefused,
    is_companion,
    is_hidden,
    name_order,
)
from images_app.exceptions import ImagesAppError, UploadRefused
from tests.parts import CORPUS, need

MIB = 2**20
LIMITS = ArchiveLimits(max_entry_bytes=2 * MIB, max_entries=50, max_total_bytes=8 * MIB)
LINK = 0o120777 << 16


def packed(*entries, method=zipfile.ZIP_DEFLATED):
    """An archive of (name or ZipInfo, content)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            if isinstance(name, str):
                info.compress_type = method
                info.external_attr = 0o600 << 16
            archive.writestr(info, content)
    return target.getvalue()


def info(name="a.jpg", **attributes):
    made = zipfile.ZipInfo(name)
    made.compress_type = zipfile.ZIP_DEFLATED
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def opened(content, limits=LIMITS):
    return Archive(io.BytesIO(content), limits)


def names(content, limits=LIMITS):
    return [entry.name for entry in opened(content, limits).entries]


def outcome(archive, entry):
    """The content of an entry, or the code of its refusal."""
    try:
        with archive.read(entry) as file:
            return file.read()
    except ImagesAppError as error:
        return error.code


def code_of(content, limits=LIMITS):
    with pytest.raises(ArchiveRefused) as caught:
        opened(content, limits)
    assert caught.value.public_message % caught.value.params
    return caught.value.code


def directory_at(content):
    """Where the central directory begins."""
    return struct.unpack("<I", content[-6:-2])[0]


def test_archive__gives_its_files_in_the_order_of_their_names():
    content = packed(
        ("IMG_10.jpg", b"ten"), ("b/c.png", b"c"), ("b/", b""), ("IMG_9.jpg", b"nine"), ("A", b"a")
    )
    archive = opened(content)
    assert [entry.name for entry in archive.entries] == ["A", "b/c.png", "IMG_9.jpg", "IMG_10.jpg"]
    assert [outcome(archive, each) for each in archive.entries] == [b"a", b"c", b"nine", b"ten"]


def test_read__hands_out_a_file_of_its_own_that_is_gone_afterwards():
    archive = opened(packed(("deep/er/cat.jpg", b"meow")))
    with archive.read(archive.entries[0]) as file:
        assert (file.name, file.size, file.read()) == ("cat.jpg", 4, b"meow")
        assert os.fstat(file.fileno()).st_nlink == 0  # it has no name anywhere
    assert file.closed


@pytest.mark.parametrize(
    "name",
    [
        "../x.jpg",
        "a/../../x.jpg",
        "a/..",
        "..",
        "/etc/passwd",
        "//x.jpg",
        "C:/x.jpg",
        "c:x.jpg",
        "a\\b.jpg",
        "..\\x.jpg",
        "\\\\server\\share\\x.jpg",
        "a\x00.jpg",
        "a\x1b[2J.jpg",
        "a\n.jpg",
        "a\x85.jpg",
    ],
)
def test_name__that_leads_out_ends_the_whole_archive(name):
    # ZipInfo would clean it.
    placeholder = "~" * len(name.encode())
    content = packed(("good.jpg", b"x"), (placeholder, b"x"))
    content = content.replace(placeholder.encode(), name.encode())
    if not name.isascii():
        flag = struct.pack("<HH", 20, 0)
        content = content.replace(flag, struct.pack("<HH", 20, 0x800))
    assert code_of(content) == "unsafe_name"


def test_name__is_shown_without_what_a_terminal_obeys():
    content = packed(("~~~~~~~~~.jpg", b"x")).replace(b"~~~~~~~~~", b"../\x1b[2J\x00a")
    with pytest.raises(ArchiveRefused) as caught:
        opened(content)
    assert caught.value.params == {"name": "../?[2J?a.jpg"}


def test_name__of_another_field_is_judged_too():
    """Newer Pythons take a name from the extra field 0x7075."""
    other = b"../../x.jpg"
    body = struct.pack("<BL", 1, zlib.crc32(b"good.jpg")) + other
    extra = struct.pack("<HH", 0x7075, len(body)) + body
    content = packed((info("good.jpg", extra=extra), b"x"))
    named = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].filename
    if named == "good.jpg":  # this Python does not look there
        assert names(content) == ["good.jpg"]
    else:
        assert code_of(content) == "unsafe_name"


def test_name__without_a_character_ends_the_archive():
    content = packed(("~", b"x"))
    at = directory_at(content)
    shortened = bytearray(content)
    shortened[at + 28 : at + 30] = b"\0\0"
    del shortened[at + 46]
    shortened[-10:-6] = struct.pack("<I", len(shortened) - at - 22)
    assert code_of(bytes(shortened)) in {"unsafe_name", "no_archive"}


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_encrypted__is_refused(flag):
    content = bytearray(packed(("a.jpg", b"x")))
    at = directory_at(content)
    content[at + 8 : at + 10] = struct.pack("<H", flag)
    assert code_of(bytes(content)) == "encrypted"


@pytest.mark.parametrize("mode", [0o120777, 0o010600, 0o020600, 0o060600, 0o140600, 0o040700])
def test_special__files_are_named_and_the_others_read(mode):
    archive = opened(packed((info("link", external_attr=mode << 16), b"/etc"), ("b.jpg", b"b")))
    assert [outcome(archive, each) for each in archive.entries] == [b"b", "special"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_method__other_than_deflate_is_named(method):
    archive = opened(packed((info(compress_type=method), b"x"), ("b.jpg", b"b")))
    assert [outcome(archive, each) for each in archive.entries] == ["method", b"b"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_repeated__names_the_first_is_read():
    archive = opened(packed(("a.jpg", b"first"), ("a.jpg", b"second")))
    assert [outcome(archive, each) for each in archive.entries] == [b"first", "repeated"]


def test_entry__that_is_too_large_is_named_and_not_unpacked():
    limits = ArchiveLimits(max_entry_bytes=1000)
    archive = opened(packed(("a.jpg", b"x" * 1001), ("b.jpg", b"y" * 1000)), limits)
    assert [outcome(archive, each) for each in archive.entries] == ["too_large", b"y" * 1000]
    assert isinstance(archive.entries[0].problem, UploadRefused)


@pytest.mark.parametrize(("number", "refused"), [(50, False), (51, True)])
def test_entries__are_counted(number, refused):
    content = packed(*((f"{n}.jpg", b"") for n in range(number)))
    if refused:
        assert code_of(content) == "too_many_entries"
    else:
        assert len(names(content)) == number


def test_entries__hidden_ones_and_folders_count_too():
    content = packed(*((f".hidden/{n}/", b"") for n in range(51)))
    assert code_of(content) == "too_many_entries"


def test_directory__too_large_is_not_read(monkeypatch):
    content = packed(*((f"{n}.jpg", b"") for n in range(20_000)))
    tracemalloc.start()
    try:
        assert code_of(content) == "too_many_entries"
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_directory__of_long_names_is_read():
    content = packed(*((f"{'x' * 4000}{n}.jpg", b"") for n in range(20)))
    assert len(names(content)) == 20


def test_total__is_bounded():
    limits = ArchiveLimits(max_entry_bytes=MIB, max_total_bytes=MIB)
    halves = [(f"{n}.jpg", b"x" * (MIB // 2)) for n in range(2)]
    assert len(names(packed(*halves), limits)) == 2
    assert code_of(packed(*halves, ("more.jpg", b"x")), limits) == "archive_too_large"


def test_ratio__of_a_bomb_ends_the_archive():
    assert code_of(packed(("a.jpg", b"\0" * (MIB + 1)))) == "bomb"
    assert len(names(packed(("a.jpg", b"\0" * MIB)))) == 1  # too small to do harm


def test_size__that_is_declared_too_small_is_damage():
    content = packed(("a.jpg", b"\0" * 100_000))
    lying = bytearray(content)
    at = directory_at(content)
    lying[at + 24 : at + 28] = lying[22:26] = struct.pack("<I", 10)
    archive = opened(bytes(lying))
    assert outcome(archive, archive.entries[0]) == "damaged_entry"


def test_read__stops_at_the_bound_whatever_was_declared(monkeypatch):
    archive = opened(packed(("a.jpg", b"x" * 3000)), ArchiveLimits(max_entry_bytes=5000))
    archive._limits = ArchiveLimits(max_entry_bytes=1000)
    with archive.read(archive.entries[0]) as file:
        assert file.size == 1001  # one more, so that ingest sees that it is too large


def overlapping(number):
    """Entries that are all the same bytes."""
    content = packed(("a.jpg", b"x" * 2000))
    at = directory_at(content)
    record = content[at:-22]
    end = bytearray(content[-22:])
    end[8:12] = struct.pack("<HH", number, number)
    end[12:16] = struct.pack("<I", len(record) * number)
    records = [record.replace(b"a.jpg", f"{n}.jpg".encode()) for n in range(number)]
    return content[:at] + b"".join(records) + bytes(end)


def test_overlap__ends_the_archive():
    assert names(overlapping(1)) == ["0.jpg"]
    assert code_of(overlapping(2)) == "overlapping"


def test_overlap__by_quoting_the_next_header_is_seen():
    """An entry whose data begins with the next one's header, as better bombs have it."""
    content = packed(("a.jpg", b"x" * 50), ("b.jpg", b"y" * 50), method=zipfile.ZIP_STORED)
    at = directory_at(content)
    quoting = bytearray(content)
    quoting[at + 20 : at + 28] = struct.pack("<II", 60, 60)
    assert code_of(bytes(quoting)) == "overlapping"


def test_overlap__by_a_long_extra_field_of_the_local_header_is_seen():
    content = packed(("a.jpg", b"x" * 50), ("b.jpg", b"y" * 50), method=zipfile.ZIP_STORED)
    stretched = bytearray(content)
    stretched[28:30] = struct.pack("<H", 20)
    assert code_of(bytes(stretched)) == "overlapping"


def test_overlap__with_the_directory_is_seen():
    content = bytearray(packed(("a.jpg", b"x" * 50), method=zipfile.ZIP_STORED))
    at = directory_at(content)
    content[at + 20 : at + 28] = struct.pack("<II", 60, 60)
    assert code_of(bytes(content)) == "overlapping"


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + b"x" * 500, b"\xff\xd8\xff", b"x"])
def test_archive__that_is_none_is_refused(content):
    assert code_of(content) == "no_archive"


def test_truncated__is_refused():
    content = packed(("a.jpg", b"x" * 500), ("b.jpg", b"y" * 500))
    for length in range(len(content)):
        assert code_of(content[:length]) == "no_archive"


def test_damage__of_one_entry_leaves_the_others():
    content = packed(("a.jpg", b"A" * 50), ("b.jpg", b"B" * 50), method=zipfile.ZIP_STORED)
    archive = opened(content.replace(b"AAAA", b"AAAX", 1))
    assert [outcome(archive, each) for each in archive.entries] == ["damaged_entry", b"B" * 50]


def test_damage__of_a_local_header_leaves_the_others():
    content = packed(("a.jpg", b"a"), ("b.jpg", b"b"))
    archive = opened(b"XXXX" + content[4:])
    assert [outcome(archive, each) for each in archive.entries] == ["damaged_entry", b"b"]


def test_disk__that_is_full_is_no_damage(monkeypatch):
    archive = opened(packed(("a.jpg", b"a")))

    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="No space left"), archive.read(archive.entries[0]):
        pass


def test_archive__behind_other_bytes_is_read():
    assert names(b"#!/bin/sh\n" * 20 + packed(("a.jpg", b"a"))) == ["a.jpg"]


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("a.jpg", False),
        ("deep/a.jpg", False),
        (".DS_Store", True),
        ("a/.hidden/b.jpg", True),
        ("__MACOSX/._a.jpg", True),
        ("__MACOSX/a.jpg", True),
        ("my__MACOSX/a.jpg", False),
        ("2024/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", True),
        ("#recycle/a.jpg", True),
        ("$RECYCLE.BIN/S-1-5/a.jpg", True),
        ("$Recycle.Bin/S-1-5/a.jpg", True),
        (".Spotlight-V100/a.jpg", True),
        ("System Volume Information/a.jpg", True),
        ("lost+found/a.jpg", True),
        ("._a.jpg", True),
        ("recycle/a.jpg", False),
    ],
)
def test_hidden__cases(path, hidden):
    assert is_hidden(path) is hidden
    assert names(packed((path, b"x"))) == ([] if hidden else [path])


@pytest.mark.parametrize(
    ("path", "companion"),
    [
        ("Thumbs.db", True),
        ("deep/thumbs.db", True),
        ("IMG_1.AAE", True),
        ("IMG_1.jpg.json", True),
        ("IMG_1.MOV", True),
        ("IMG_1.jpg", False),
        ("mov", False),
        ("IMG_1.mov/a.jpg", False),
        ("scan.pdf", False),
        ("IMG_1.dng", False),
    ],
)
def test_companion__cases(path, companion):
    assert is_companion(path) is companion


def test_order__is_that_of_people():
    ordered = [
        *("1.jpg", "002.jpg", "2.jpg", "10.jpg", "99999999999999999999999.jpg", "a/9.jpg"),
        *("a/10.jpg", "a.jpg", "B.jpg", "c1d2.jpg", "c1d10.jpg", "²"),
    ]
    backwards = ordered[::-1]
    assert sorted(backwards, key=name_order) == ordered


@given(st.lists(st.text()))
def test_order__takes_any_names(texts):
    ordered = sorted(texts, key=name_order)
    backwards = ordered[::-1]
    assert sorted(backwards, key=name_order) == ordered


GOOD = packed(("a.jpg", b"x" * 300), ("deep/b.jpg", b"y" * 300))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6))
def test_archive__whatever_is_flipped_in_it_ends_in_a_refusal_or_files(changes):
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    try:
        archive = opened(bytes(content))
    except ArchiveRefused:
        return
    for entry in archive.entries:
        assert isinstance(outcome(archive, entry), (bytes, str))


EXPECTED = {
    "gen__zip_5000_entries.zip": "too_many_entries",
    "gen__zip_encrypted_flag.zip": "encrypted",
    "gen__zip_slip_absolute.zip": "unsafe_name",
    "gen__zip_slip_backslash.zip": "unsafe_name",
    "gen__zip_slip_dotdot.zip": "unsafe_name",
    "gen__zip_slip_drive.zip": "unsafe_name",
    "gen__zip_truncated.zip": "no_archive",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_corpus__attacks_are_refused_whole(name):
    path = CORPUS / "archives" / name
    need("the corpus", is_there=path.exists())
    assert code_of(path.read_bytes(), ArchiveLimits(max_entry_bytes=100 * MIB)) == EXPECTED[name]
