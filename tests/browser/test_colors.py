"""What a rendition shows is what Chromium paints of the original, on a canvas of sRGB.

The pictures lie beside the repository (see ``tests/parts.py`` and ``tests/hostile/test_found.py``).
"""

from __future__ import annotations

import base64
import csv
import io

import pytest
from PIL import Image, ImageChops

from images_app.engines.pillow import PillowEngine
from images_app.models import shown_size
from images_app.specs import CONTENT_TYPES, Fit, RenditionSpec
from tests.browser.chromium import launched
from tests.hostile.test_found import BOUND, FOUND
from tests.parts import CORPUS, need

pytestmark = pytest.mark.slow
FORMATS = ("jpeg", "png", "gif", "webp", "avif", "bmp")
LARGEST = 1_000_000  # pixels
SHARE = 0.01  # of all samples that may differ by more than the bound: edges, scaled chroma
PAINT = """async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d", {colorSpace: "srgb"});
    context.drawImage(image, 0, 0);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let at = 0; at < data.length; at += 8192)
        text += String.fromCharCode.apply(null, data.subarray(at, at + 8192));
    return [canvas.width, canvas.height, btoa(text)];
}"""
OTHERWISE = {  # decision 19 says why
    "cicp-pq.png",
    "no-eoi.jpg",  # Chromium leaves out the last rows of what has no end
    "pillow__hopper_orientation_3.webp",
    "pillow__hopper_orientation_5.webp",
    "pillow__hopper_orientation_7.webp",
    # Damage and runs that end early, which each decoder fills in its own way.
    "pillow__mmap_error.bmp",
    "pillow__pal4rletrns.bmp",
    # One bit of transparency for each pixel of 16 bits.
    "imagers__V3_A1_R5_G5_B5.bmp",
    "imagers__V3_A1_R5_G5_B5_Top_Down.bmp",
}


def pictures():
    """Every small still that is let in, with its bytes."""
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    paths = [*FOUND.iterdir()] + [
        CORPUS / row["file"] for row in rows if row["category"] in {"valid", "orientation"}
    ]
    for path in sorted(paths):
        if path.suffix in {".jpg", ".png", ".gif", ".webp", ".avif", ".bmp"}:
            yield path.name, path.read_bytes()


def shown_by_us(content):
    """Our rendition of a still as wide as its original, and its format; None for all else."""
    engine, file = PillowEngine(), io.BytesIO(content)
    header = engine.read_header(file, FORMATS, max_pixels=50_000_000)
    if header.width * header.height > LARGEST or header.frames > 1:
        return None
    size = shown_size(header.width, header.height, engine.inspect(file, FORMATS).orientation)
    spec = RenditionSpec(
        width=size[0], height=None, fit=Fit.WIDTH, format="png", quality=0, background="#ffffff"
    )
    target = io.BytesIO()
    engine.render(
        file,
        [(spec, target)],
        source_format=header.format,
        full_size=size,
        focal_point=(0.5, 0.5),
    )
    return Image.open(target), header.format


def differing(one, other):
    """The share of samples that differ by more than the bound, on white."""
    if one.size != other.size:
        return 1.0
    white = Image.new("RGBA", one.size, "white")
    flat = [
        Image.alpha_composite(white, each.convert("RGBA")).convert("RGB") for each in (one, other)
    ]
    samples = ImageChops.difference(*flat).histogram()
    beyond = sum(sum(samples[256 * band + BOUND + 1 : 256 * (band + 1)]) for band in range(3))
    return beyond / (3 * one.width * one.height)


def test_renditions__are_painted_as_the_original():
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists() and FOUND.exists())
    different, seen = set(), 0
    with launched() as browser:
        page = browser.new_page()
        for name, content in pictures():
            try:
                ours = shown_by_us(content)
            except Exception:  # noqa: BLE001 (refused; test_corpus says whether rightly)
                continue
            if ours is None or b"acTL" in content:  # what moves there shows another frame
                continue
            picture, image_format = ours
            url = f"data:{CONTENT_TYPES[image_format]};base64,{base64.b64encode(content).decode()}"
            try:
                width, height, data = page.evaluate(PAINT, url)
            except Exception:  # noqa: BLE001 (Chromium does not show it)
                continue
            seen += 1
            painted = Image.frombytes("RGBA", (width, height), base64.b64decode(data))
            if differing(picture, painted) > SHARE:
                different.add(name)
    assert seen > 300
    assert different == OTHERWISE
