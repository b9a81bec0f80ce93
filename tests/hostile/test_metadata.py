"""No metadata of an original is in any rendition: exiftool finds none, and no text of it is there.

Of the corpus (see test_corpus), all that is let in; and a sample made here, which bears
everything at once: EXIF with a place and a thumbnail, XMP, IPTC, a profile, a comment, a trailer.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from tests.hostile.test_corpus import CORPUS, ROOT
from tests.parts import need, program
from tests.pictures import noise, picture

pytestmark = pytest.mark.slow
WORKERS = 2
FORMATS = {"jpg", "webp", "avif", "png"}
FEWEST = {"sample": 50, "corpus": 1000}  # texts that stand in the originals as they are
SHORTEST = 12  # characters of a text that cannot be in compressed pixels by chance
# What the corpus carries in places that exiftool does not read, and what the sample does.
PLANTED = (b"<script", b"<?php", b"__pwned", b"127.0.0.1", b"<html", b"PRIVATE")
# What a file says of its own structure, by exiftool's groups of family 1; nothing else may be
# there. A comment is of the group File, a text of a PNG is of PNG: no group is free.
STRUCTURE = {
    "Composite": "ImageSize Megapixels",
    "ExifTool": "ExifToolVersion",
    "File": "BitsPerSample ColorComponents EncodingProcess FileType FileTypeExtension ImageHeight"
    " ImageWidth MIMEType YCbCrSubSampling",
    "GIF": "AnimationIterations BackgroundColor BitsPerPixel ColorResolutionDepth Duration"
    " FrameCount GIFVersion HasColorMap ImageHeight ImageWidth TransparentColor",
    "JFIF": "JFIFVersion ResolutionUnit XResolution YResolution",
    "Meta": "PrimaryItemReference",
    "PNG": "AnimationFrames AnimationPlays BitDepth ColorType Compression Filter ImageHeight"
    " ImageWidth Interlace",
    "QuickTime": "AV1ConfigurationVersion AuxiliaryImageType ChromaFormat ChromaSamplePosition"
    " ColorPrimaries ColorProfiles CompatibleBrands HandlerType HighBitDepth ImagePixelDepth"
    " ImageSpatialExtent InitialDelaySamples MajorBrand MatrixCoefficients MediaData"
    " MediaDataOffset MediaDataSize MinorVersion SeqLevelIdx0 SeqProfile SeqTier0"
    " TransferCharacteristics TwelveBit VideoFullRangeFlag",
    "RIFF": "AlphaCompression AlphaFiltering AlphaPreprocessing AnimationLoopCount BackgroundColor"
    " Duration FrameCount HorizontalScale ImageHeight ImageWidth VP8Version VerticalScale"
    " WebP_Flags",
    "System": "Directory FileAccessDate FileInodeChangeDate FileModifyDate FileName"
    " FilePermissions FileSize",
}
ALLOWED = {(group, tag) for group, tags in STRUCTURE.items() for tag in tags.split()}
WRITTEN = (
    "-IFD0:Artist=PRIVATE artist",
    "-IFD0:Copyright=PRIVATE copyright",
    "-ExifIFD:SerialNumber=PRIVATE serial number",
    "-ExifIFD:UserComment=PRIVATE user comment",
    "-GPS:GPSLatitude=48.1372",
    "-GPS:GPSLatitudeRef=N",
    "-GPS:GPSAreaInformation=PRIVATE area",
    "-XMP-dc:Creator=PRIVATE creator",
    "-XMP-photoshop:City=PRIVATE city",
    "-IPTC:By-line=PRIVATE by-line",
    "-Comment=PRIVATE comment",
)
BORNE = {  # of what is written, what a format can bear
    "jpg": {"IFD0", "IFD1", "ExifIFD", "GPS", "XMP-dc", "IPTC", "ICC_Profile", "File"},
    "png": {"IFD0", "ExifIFD", "GPS", "XMP-dc", "ICC_Profile", "PNG"},
    "webp": {"IFD0", "ExifIFD", "GPS", "XMP-dc"},
    "avif": {"IFD0", "ExifIFD", "GPS", "XMP-dc"},
    "gif": {"XMP-dc", "ICC_Profile", "File"},
}


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Originals and what was made of them."""

    name: str
    paths: list[str]
    renditions: dict[str, list[str]]  # of each original that was let in


@pytest.fixture(scope="module", params=["sample", "corpus"])
def rendered(request) -> Iterator[Rendered]:
    program("exiftool")
    with tempfile.TemporaryDirectory(prefix="images-app-metadata-") as folder:
        paths = sample(Path(folder)) if request.param == "sample" else corpus("accept", "either")
        with ThreadPoolExecutor(WORKERS) as pool:
            shares = ((paths[n::WORKERS], Path(folder) / str(n)) for n in range(WORKERS))
            parts = list(pool.map(lambda share: judge(*share), shares))
        found = {path: made for part in parts for path, made in part.items() if made is not None}
        yield Rendered(name=request.param, paths=paths, renditions=found)


def corpus(*expected: str) -> list[str]:
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        return [
            str(CORPUS / row["file"])
            for row in csv.DictReader(manifest, delimiter="\t")
            if row["category"] != "archives" and row["expected"] in expected
        ]


def sample(folder: Path) -> list[str]:
    """Pictures of every format and of several kinds of JPEG, with all that exiftool can write."""
    profile, thumbnail = folder / "profile.icc", folder / "thumbnail"
    profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    thumbnail.write_bytes(picture(size=(16, 12)))
    contents = {
        "plain.jpg": picture(),
        "large.jpg": noise((900, 700)),
        "grey.jpg": picture(mode="L", color=99),
        "cmyk.jpg": picture(mode="CMYK", color=(9, 99, 199, 0)),
        "several.jpg": picture("MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))]),
        "transparent.png": picture("PNG", mode="RGBA", color=(200, 60, 20, 99)),
        "plain.webp": picture("WEBP"),
        "plain.avif": picture("AVIF"),
        "plain.gif": picture("GIF", mode="P", color=3),
    }
    paths = [folder / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    files = (f"-ICC_Profile<={profile}", f"-ThumbnailImage<={thumbnail}")
    run_exiftool("-q", "-m", "-overwrite_original", *WRITTEN, *files, paths=paths)
    for path in paths:
        with path.open("ab") as opened:
            opened.write(b"PRIVATE trailer" + thumbnail.read_bytes())
    return [str(path) for path in paths]


def judge(paths: list[str], folder: Path) -> dict[str, list[str] | None]:
    folder.mkdir()
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.hostile.judge_metadata", str(folder)],
        cwd=ROOT,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == len(paths)
    return {line["path"]: line["renditions"] for line in lines}


def run_exiftool(*arguments: str, paths: Iterable[Any]) -> str:
    names = "\n".join(map(str, paths))
    command = [program("exiftool"), *arguments, "-@", "-"]
    return subprocess.run(
        command, input=names, capture_output=True, text=True, check=False
    ).stdout  # it says no where one file of many is damaged


def tags(paths: Iterable[Any]) -> dict[str, list[tuple[str, str, Any]]]:
    """Of each file, what exiftool finds: (group, tag, raw value), also the unknown and repeated."""
    paths = list(paths)
    # Family 4 numbers what is repeated, which would else be dropped. A trailer must be asked for.
    options = ("-json", "-G1:4", "-a", "-u", "-n", "-Trailer", "-all")
    found = {
        row.pop("SourceFile"): [(*name.split(":")[:: name.count(":")], row[name]) for name in row]
        for row in json.loads(run_exiftool(*options, paths=paths))
    }
    assert sorted(found) == sorted(map(str, paths))
    return found


def texts(found: list[tuple[str, str, Any]]) -> set[str]:
    """The texts of metadata that are long enough to be looked for."""
    values = {
        str(value)
        for group, tag, given in found
        if (group, tag) not in ALLOWED
        for value in (given if isinstance(given, list) else [given])
    }
    return {v for v in values if len(v) >= SHORTEST and not v.startswith("(Binary data")}


def encoded(text: str) -> set[bytes]:
    return {text.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")}


def those_in(path: str, words: set[bytes]) -> list[bytes]:
    content = Path(path).read_bytes()
    return [word for word in words if word in content]


def test_metadata__is_in_no_rendition(rendered):
    made = [path for paths in rendered.renditions.values() for path in paths]
    assert {path.rsplit(".", 1)[1] for path in made} >= FORMATS
    wrong = {
        path: foreign
        for path, found in tags(made).items()
        if (foreign := [tag for tag in found if tag[:2] not in ALLOWED])
    }
    assert wrong == {}


def test_metadata__no_text_of_an_original_is_in_a_rendition(rendered):
    looked_for, wrong = 0, []
    for original, found in tags(rendered.renditions).items():
        words = {word for text in texts(found) for word in encoded(text)} | set(PLANTED)
        looked_for += len(those_in(original, words))
        wrong += [
            (original, path, leaked)
            for path in rendered.renditions[original]
            if (leaked := those_in(path, words))
        ]
    assert wrong == []
    assert looked_for >= FEWEST[rendered.name]


def test_metadata__all_that_must_be_let_in_was_looked_at(rendered):
    must = corpus("accept") if rendered.name == "corpus" else rendered.paths
    assert [path for path in must if path not in rendered.renditions] == []
    assert [path for path, made in rendered.renditions.items() if len(made) < len(FORMATS)] == []


def test_sample__bears_what_its_formats_can(tmp_path):
    found = tags(sample(tmp_path))
    for path, its in found.items():
        groups = {group for group, tag, _ in its if (group, tag) not in ALLOWED}
        assert groups >= BORNE[path.rsplit(".", 1)[1]], path
        assert any(tag == "Trailer" for _, tag, _ in its) or not path.endswith(".jpg")
