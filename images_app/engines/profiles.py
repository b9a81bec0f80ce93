"""ICC profiles of colours that a file tells otherwise: by code points, or by chromaticities."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp

Colors = bytes | None  # an ICC profile; None means sRGB
_Row = tuple[float, float, float]
_Matrix = tuple[_Row, _Row, _Row]

_D65, _DCI, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
_D50 = (0.9642, 1.0, 0.8249)  # XYZ, of the connection space (ICC.1:2010 7.2.16)
# Red, green, blue and white, as x and y, by their code points (ITU-T H.273, table 2). What is
# not named is shown as sRGB, whose primaries are those of number 1.
_SRGB = 1
_PRIMARIES = {
    _SRGB: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # by code points (ITU-T H.273, table 3)
_PQ, _HLG = 16, 18
_STEPS = 4096  # of a curve; dark tones of PQ need as many
_REFERENCE_WHITE = 203  # cd/m² (ITU-R BT.2408, 2.1)
_PEAK = 1000  # cd/m², shown as white; that of HLG's reference display (ITU-R BT.2100, table 5)
_LARGEST_GAMMA = 10.0
_BRADFORD: _Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


@lru_cache(maxsize=32)
def from_code_points(*, primaries: int, transfer: int) -> Colors:
    """Return a profile for code points of ITU-T H.273; None where they mean sRGB.

    The curves of television (1, 6, 14, 15) are taken as that of sRGB, as browsers do.
    """
    curve = _curve(transfer)
    if curve is None and _PRIMARIES.get(primaries, _PRIMARIES[_SRGB]) == _PRIMARIES[_SRGB]:
        return None
    return _profile(_PRIMARIES.get(primaries, _PRIMARIES[_SRGB]), curve or _srgb)


def from_chromaticities(points: Sequence[float] | None, exponent: float) -> Colors:
    """Return a profile for what the chunks cHRM and gAMA of a PNG say; None where it is nonsense.

    Args:
        points: x and y of white, red, green and blue; None for those of sRGB.
        exponent: of the encoding, 1/2.2 in most files.

    """
    if not 1 / _LARGEST_GAMMA <= exponent <= _LARGEST_GAMMA:
        return None
    primaries = _PRIMARIES[_SRGB]
    if points is not None:
        white, red, green, blue = zip(points[::2], points[1::2], strict=True)
        primaries = (red, green, blue, white)
    try:
        return _profile(primaries, lambda value: value ** (1 / exponent))
    except (ZeroDivisionError, struct.error):
        return None  # no triangle


def _curve(transfer: int) -> Callable[[float], float] | None:
    """Return the light of a coded value, each from 0 to 1; None for the curve of sRGB."""
    if transfer in _GAMMAS:
        return lambda value: value ** _GAMMAS[transfer]
    return {_PQ: _perceptual, _HLG: _hybrid}.get(transfer)


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004


def _perceptual(value: float) -> float:
    """Return the light of a PQ value as sRGB can show it (ITU-R BT.2100, table 4)."""
    root = value ** (1 / 78.84375)
    light = (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return _toned_down(light * 10_000 / _REFERENCE_WHITE)


def _hybrid(value: float) -> float:
    """Return the light of an HLG value as sRGB can show it (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = value * value / 3 if value <= 0.5 else (exp((value - c) / a) + b) / 12  # noqa: PLR2004
    return _toned_down(scene**1.2 * _PEAK / _REFERENCE_WHITE)


def _toned_down(light: float) -> float:
    """Return light from 0 to the peak as light from 0 to 1 (Reinhard's curve, as in Chromium).

    Args:
        light: 1 is reference white, which becomes a light grey to leave room for highlights.

    """
    peak = _PEAK / _REFERENCE_WHITE
    return min(1.0, light * (1 + light / peak**2) / (1 + light))


def _profile(primaries: Sequence[tuple[float, float]], curve: Callable[[float], float]) -> bytes:
    """Return a display profile of three primaries and one curve (ICC.1:2010, 8.3)."""
    columns = _adapted(primaries)
    samples = [round(65_535 * min(1.0, curve(step / (_STEPS - 1)))) for step in range(_STEPS)]
    shared = struct.pack(f">4sII{_STEPS}H", b"curv", 0, _STEPS, *samples)
    tags = {b"wtpt": _xyz(_D50), b"rTRC": shared, b"gTRC": shared, b"bTRC": shared}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        tags[name] = _xyz(column)
    at = 128 + 4 + 12 * len(tags)
    directory, body, places = struct.pack(">I", len(tags)), b"", {}
    for name, content in tags.items():
        if content not in places:
            places[content] = at + len(body)
            body += content
        directory += struct.pack(">4sII", name, places[content], len(content))
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        at + len(body),
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        *_fixed(_D50),
    )
    return head + directory + body


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *_fixed(values))


def _fixed(values: Sequence[float]) -> list[int]:
    return [round(value * 65_536) for value in values]


def _adapted(primaries: Sequence[tuple[float, float]]) -> _Matrix:
    """Return XYZ of red, green and blue, as seen under the light of the connection space."""
    red, green, blue, white = (_whole(*point) for point in primaries)
    seen = _transposed((red, green, blue))
    amounts = _times(_inverse(seen), white)
    cone, target = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    back = _inverse(_BRADFORD)
    columns = []
    for column, amount in zip((red, green, blue), amounts, strict=True):
        cones = _times(_BRADFORD, column)
        scaled = [amount * c * t / w for c, t, w in zip(cones, target, cone, strict=True)]
        columns.append(_times(back, scaled))
    return columns[0], columns[1], columns[2]


def _whole(x: float, y: float) -> _Row:
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: _Matrix, vector: Sequence[float]) -> _Row:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _transposed(matrix: _Matrix) -> _Matrix:
    first, second, third = zip(*matrix, strict=True)
    return first, second, third


def _inverse(matrix: _Matrix) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    size = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        ((e * i - f * h) / size, (c * h - b * i) / size, (b * f - c * e) / size),
        ((f * g - d * i) / size, (a * i - c * g) / size, (c * d - a * f) / size),
        ((d * h - e * g) / size, (b * g - a * h) / size, (a * e - b * d) / size),
    )
