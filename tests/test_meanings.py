"""What the URLs of renditions stand for."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from images_app import conf
from images_app.meanings import meanings
from images_app.specs import Watermark

# A thumbnail; a ladder of four widths in three still and two animated formats.
BUILT_IN = 1 + 4 * (3 + 2)
MARKS = {"proof": {"text": "PROOF"}, "mine": {"text": "Mine"}}
TUNABLE = "tests.test_conf.Tunable"


@pytest.fixture(autouse=True)
def empty_settings(settings):
    settings.IMAGES_APP = {}


def test_fingerprints__every_spec_is_found_by_its_own():
    found = meanings()
    assert len(found) == BUILT_IN
    for (fingerprint, image_format), meaning in found.items():
        (preset,), (spec,) = meaning.presets, meaning.specs
        assert fingerprint == spec.fingerprint(conf.get_engine().output_version)
        assert image_format == spec.format
        assert (spec,) in list(preset.choices())


def test_fingerprints__follow_the_output_version_of_the_engine(settings):
    before = set(meanings())
    settings.IMAGES_APP = {"ENGINE": {"BACKEND": TUNABLE}}
    assert not before & set(meanings())


@pytest.mark.parametrize("level", ["view", "original"])
def test_fingerprints__the_same_rendition_at_two_levels_is_refused(settings, level):
    twin = {"fit": "cover", "width": 320, "height": 320, "formats": ["jpeg"], "level": level}
    settings.IMAGES_APP = {"PRESETS": {"twin": twin}}
    with pytest.raises(ImproperlyConfigured, match="'thumb' and 'twin' make the same rendition"):
        meanings()


def test_fingerprints__the_same_rendition_at_one_level_is_shared(settings):
    twin = {"fit": "cover", "width": 320, "height": 320, "formats": ["jpeg"], "level": "preview"}
    settings.IMAGES_APP = {"PRESETS": {"twin": twin}}
    assert len(meanings()) == BUILT_IN


def test_fingerprints__of_presets_that_make_the_same_name_all_of_them(settings):
    settings.IMAGES_APP = {"PRESETS": {"small": {"width": 640, "formats": ["webp"], "max_age": 0}}}
    small = conf.get_settings().presets["small"]
    key = (small.spec(640, "webp").fingerprint(conf.get_engine().output_version), "webp")
    assert {preset.name for preset in meanings()[key].presets} == {"ladder", "small"}


def test_watermarks__are_none_by_default():
    parsed = conf.get_settings()
    assert (parsed.watermarks, parsed.watermark_levels) == ({}, {})
    assert {meaning.watermark for meaning in meanings().values()} == {""}


def test_watermarks__every_preset_has_each_of_them_and_none(settings):
    plain = meanings()
    settings.IMAGES_APP = {"WATERMARKS": MARKS}
    found = meanings()
    assert conf.get_settings().watermarks["proof"] == Watermark(text="PROOF")
    assert len(found) == 3 * BUILT_IN
    for name, mark in {"": None, **conf.get_settings().watermarks}.items():
        marked = {key: each for key, each in found.items() if each.watermark == name}
        assert len(marked) == BUILT_IN
        assert {spec.watermark for each in marked.values() for spec in each.specs} == {mark}
        assert (marked == plain) is (name == "")  # what there was keeps its URL


def test_watermarks__need_an_engine_that_draws_them(settings):
    engine = {"BACKEND": TUNABLE}
    settings.IMAGES_APP = {"WATERMARKS": MARKS, "ENGINE": engine}
    with pytest.raises(ImproperlyConfigured, match="the engine draws none"):
        meanings()
    settings.IMAGES_APP = {"ENGINE": engine}
    assert meanings()
