"""Parts of a file read as one, from a plain and from a mapped file."""

from __future__ import annotations

import io
import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images_app.engines.splicing import length_of, spliced, whole_file

CONTENT = bytes(range(256))
PARTS = st.lists(
    st.one_of(
        st.binary(max_size=5),
        st.tuples(st.integers(0, 256), st.integers(0, 256)).map(lambda pair: tuple(sorted(pair))),
    ),
    max_size=6,
)


@given(parts=PARTS, steps=st.lists(st.integers(-1, 300), max_size=6), start=st.integers(0, 400))
def test_spliced__reads_like_one_file(parts, steps, start):
    expected = io.BytesIO(
        b"".join(p if isinstance(p, bytes) else CONTENT[p[0] : p[1]] for p in parts)
    )
    file = spliced(io.BytesIO(CONTENT), parts)
    assert length_of(file) == len(expected.getvalue())
    for each in (file, expected):
        each.seek(start)
    for size in steps:
        assert file.read(size) == expected.read(size)
        assert file.tell() == expected.tell()


@pytest.mark.parametrize("position", [0, 256, 10_000])
def test_whole_file__of_a_mapped_one_may_be_sought_behind_its_end(tmp_path, position):
    (tmp_path / "file").write_bytes(CONTENT)
    with (
        (tmp_path / "file").open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        file = whole_file(mapped)
        assert file.seek(position) == position
        assert file.read() == CONTENT[position:]
