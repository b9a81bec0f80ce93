"""The dict IMAGES_APP: defaults, refusals, presets, forgetting."""

from __future__ import annotations

import dataclasses

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from images_app import conf
from images_app.access import Level
from images_app.delivery import StreamingDelivery
from images_app.engines.bounded import BoundedEngine
from images_app.policies import DefaultPolicy
from images_app.specs import Fit


class Tunable:
    """A backend with an option."""

    output_version = 9

    def __init__(self, *, size=1):
        self.size = size

    images = galleries = may_add = read_header = inspect = render = deliver = print


BOUNDED = "images_app.engines.bounded.BoundedEngine"


@pytest.fixture(autouse=True)
def empty_settings(settings):
    settings.IMAGES_APP = {}


def preset(**values):
    return {"PRESETS": {"mine": {"width": 100, "formats": ["jpeg"], **values}}}


def test_defaults__of_an_empty_dict_are_safe():
    parsed = conf.get_settings()
    assert {
        name: value
        for name, value in dataclasses.asdict(parsed).items()
        if not isinstance(value, dict)
    } == {
        "thumbnail_preset": "thumb",
        "ladder_preset": "ladder",
        "formats": ("jpeg", "png", "gif", "webp", "avif"),
        "max_upload_bytes": 100 * 2**20,
        "max_pixels": 50_000_000,
        "max_frames": 500,
        "max_animation_pixels": 100_000_000,
        "storage": "images",
        "strip_originals": False,
        "max_user_bytes": 0,
        "max_gallery_images": 0,
        "upload_days": 1,
        "trash_days": 30,
        "quarantine_days": 30,
        "render_at_upload": False,
        "max_decodes": 0,
        "render_patience": 10,
        "rendition_cache": "",
        "rendition_cache_max_bytes": 65536,
        "original_max_age": 600,
        "page_size": 100,
        "share_link_days": 30,
        "max_share_links": 100,
        "access_log": (),
        "access_log_days": 90,
        "access_log_strangers": 60,
        "access_log_sample": 1,
    }
    assert isinstance(conf.get_policy(), DefaultPolicy)
    assert isinstance(conf.get_engine(), BoundedEngine)
    assert isinstance(conf.get_delivery(), StreamingDelivery)


def test_defaults__hold_without_the_setting(settings):
    del settings.IMAGES_APP
    conf.get_settings.cache_clear()
    assert conf.get_settings().page_size == 100


def test_settings__every_key_says_what_it_is_for():
    assert all(f.metadata["doc"].endswith(".") for f in dataclasses.fields(conf.Settings))


def test_limits__are_those_of_the_settings(settings):
    settings.IMAGES_APP = {
        "MAX_UPLOAD_BYTES": 1,
        "MAX_PIXELS": 2,
        "MAX_FRAMES": 3,
        "MAX_ANIMATION_PIXELS": 4,
        "FORMATS": ["png"],
    }
    limits = conf.get_limits()
    assert dataclasses.astuple(limits) == (1, 2, 3, 4, ("png",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "IMAGES_APP must be a dict."),
        ([], "IMAGES_APP must be a dict."),
        ({"PAGE_SIZ": 1}, "IMAGES_APP has no key 'PAGE_SIZ'. Did you mean 'PAGE_SIZE'?"),
        ({"page_size": 1}, "IMAGES_APP has no key 'page_size'. Did you mean 'PAGE_SIZE'?"),
        ({"QUUX": 1}, "IMAGES_APP has no key 'QUUX'. Known are "),
        ({7: 1}, "IMAGES_APP has no key 7. Known are"),
        ({"PAGE_SIZE": "5"}, "IMAGES_APP['PAGE_SIZE'] must be a whole number."),
        ({"PAGE_SIZE": True}, "IMAGES_APP['PAGE_SIZE'] must be a whole number."),
        ({"PAGE_SIZE": 0}, "IMAGES_APP['PAGE_SIZE'] cannot be 0."),
        ({"PAGE_SIZE": 1001}, "IMAGES_APP['PAGE_SIZE'] cannot be 1001."),
        ({"MAX_UPLOAD_BYTES": 0}, "IMAGES_APP['MAX_UPLOAD_BYTES'] cannot be 0."),
        ({"MAX_UPLOAD_BYTES": 1e6}, "IMAGES_APP['MAX_UPLOAD_BYTES'] must be a whole number."),
        ({"MAX_PIXELS": -1}, "IMAGES_APP['MAX_PIXELS'] cannot be -1."),
        ({"MAX_PIXELS": None}, "IMAGES_APP['MAX_PIXELS'] must be a whole number."),
        ({"MAX_FRAMES": 0}, "IMAGES_APP['MAX_FRAMES'] cannot be 0."),
        ({"ORIGINAL_MAX_AGE": -1}, "IMAGES_APP['ORIGINAL_MAX_AGE'] cannot be -1."),
        ({"FORMATS": []}, "IMAGES_APP['FORMATS'] cannot be ()."),
        ({"FORMATS": ["svg"]}, "IMAGES_APP['FORMATS'] cannot be ('svg',)."),
        ({"FORMATS": [["png"]]}, "IMAGES_APP['FORMATS'] cannot be (['png'],)."),
        ({"FORMATS": "png"}, "IMAGES_APP['FORMATS'] must be a list."),
        ({"FORMATS": ["jpg"]}, "There are jpeg, png, gif, webp, avif, bmp, tiff, heic."),
        ({"THUMBNAIL_PRESET": "nope"}, "There are thumb, ladder."),
        ({"RENDER_AT_UPLOAD": "False"}, "IMAGES_APP['RENDER_AT_UPLOAD'] must be True or False."),
        (preset(formats=None), "['formats'] must be a list."),
        (preset(stills="no"), "stills is True or False."),
        (preset(format="jpeg"), "lacks 'formats', such as ['webp', 'jpeg'], or 'format': 'auto'"),
        ({"FORMATS": 5}, "IMAGES_APP['FORMATS'] must be a list."),
        ({"THUMBNAIL_PRESET": "none"}, "IMAGES_APP['THUMBNAIL_PRESET'] cannot be 'none'."),
        ({"THUMBNAIL_PRESET": []}, "IMAGES_APP['THUMBNAIL_PRESET'] must be a name."),
        ({"LADDER_PRESET": "none"}, "IMAGES_APP['LADDER_PRESET'] cannot be 'none'."),
        ({"PRESETS": 5}, "IMAGES_APP['PRESETS'] must be a dict."),
        ({"PRESETS": {"mine": 5}}, "IMAGES_APP['PRESETS']['mine'] must be a dict."),
        (preset(with_=1), "IMAGES_APP['PRESETS']['mine'] has no key 'with_'. Did you mean 'width'"),
        (preset(Quality={}), "has no key 'Quality'. Did you mean 'quality'?"),
        (preset(name="x"), "IMAGES_APP['PRESETS']['mine'] has no key 'name'."),
        (preset(width=0), "'mine']: widths and height are whole numbers from 1 to 10000."),
        (preset(width=10_001), "widths and height are whole numbers"),
        (preset(width="100"), "widths and height are whole numbers"),
        (preset(width=True), "widths and height are whole numbers"),
        (preset(widths=[100]), "['mine'] has either 'width' or 'widths'."),
        ({"PRESETS": {"mine": {"formats": ["jpeg"]}}}, "['mine'] has either 'width' or 'widths'."),
        ({"PRESETS": {"mine": {"widths": 5, "formats": ["jpeg"]}}}, "['widths'] must be a list."),
        ({"PRESETS": {"mine": {"width": 5}}}, "lacks 'formats', such as"),
        (preset(height=0, fit="cover"), "widths and height are whole numbers"),
        (preset(height=10), "fit 'width' takes no height; 'contain' and 'cover' need one."),
        (preset(fit="cover"), "fit 'width' takes no height"),
        (preset(fit="contain"), "fit 'width' takes no height"),
        (preset(fit="stretch"), "fit is 'width', 'contain', 'cover'."),
        (
            {
                "PRESETS": {
                    "mine": {
                        "widths": [1, 2],
                        "height": 5,
                        "fit": "cover",
                        "formats": ["jpeg"],
                    }
                }
            },
            "a ladder of widths needs fit 'width'.",
        ),
        (preset(formats=[]), "formats are of avif, webp, jpeg, png, best first."),
        (preset(formats=["gif"]), "formats are of avif, webp, jpeg, png"),
        (preset(formats="jpeg"), "['formats'] must be a list."),
        (preset(level="secret"), "level is 'preview', 'view' or 'original'"),
        (preset(quality={"jpeg": 0}), "quality is a dict from a format to a whole number"),
        (preset(quality={"jpeg": 101}), "quality is a dict"),
        (preset(quality={"jpeg": "80"}), "quality is a dict"),
        (preset(quality={"jpg": 80}), "quality is a dict"),
        (preset(quality=80), "quality is a dict"),
        (preset(background="red"), "background is a colour like '#ffffff'."),
        (preset(background=None), "background is a colour"),
        (preset(max_age=-1), "max_age is a whole number of seconds, 0 or more."),
        (preset(max_age="600"), "max_age is a whole number"),
        ({"WATERMARKS": []}, "IMAGES_APP['WATERMARKS'] must be a dict."),
        ({"WATERMARKS": {"a": {}}}, "['WATERMARKS']['a']: it has either 'text' or 'image'."),
        ({"WATERMARK_LEVELS": {"view": "a"}}, "no watermark is called 'a'"),
    ],
)
def test_settings__what_makes_no_sense_is_refused(settings, value, message):
    settings.IMAGES_APP = value
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.get_settings()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "IMAGES_APP['POLICY'] must be a dict."),
        ("images_app.policies.DefaultPolicy", "IMAGES_APP['POLICY'] must be a dict."),
        ({}, "IMAGES_APP['POLICY'] lacks 'BACKEND'"),
        ({"BACKEND": "nowhere.Policy"}, "cannot be used: No module named 'nowhere'"),
        ({"BACKEND": 5}, "cannot be used: 5 doesn't look like a module path"),
        ({"BACKEND": f"{__name__}.Missing"}, "cannot be used: "),
        ({"backend": "x"}, "IMAGES_APP['POLICY'] has no key 'backend'. Did you mean 'BACKEND'?"),
        ({"BACKEND": f"{__name__}.Tunable", "OPTIONS": {"colour": 1}}, "'colour'"),
        ({"BACKEND": f"{__name__}.Tunable", "OPTIONS": None}, "cannot be used: "),
    ],
)
def test_backend__that_cannot_be_built_is_refused(settings, value, message):
    settings.IMAGES_APP = {"POLICY": value}
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.get_policy()
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["POLICY", "ENGINE", "DELIVERY"])
def test_backend__gets_its_options_once(settings, key):
    backend = f"{__name__}.Tunable"
    settings.IMAGES_APP = {key: {"BACKEND": backend, "OPTIONS": {"size": 5}}}
    get = {"POLICY": conf.get_policy, "ENGINE": conf.get_engine, "DELIVERY": conf.get_delivery}[key]
    assert get().size == 5
    assert get() is get()
    settings.IMAGES_APP = {key: {"BACKEND": backend}}
    assert get().size == 1


def test_presets__built_in_ones():
    presets = conf.get_settings().presets
    thumb, ladder = presets["thumb"], presets["ladder"]
    assert set(presets) == {"thumb", "ladder"}
    assert (thumb.widths, thumb.height, thumb.fit, thumb.formats, thumb.level) == (
        (320,),
        320,
        Fit.COVER,
        ("jpeg",),
        Level.PREVIEW,
    )
    assert (ladder.widths, ladder.height, ladder.fit, ladder.formats, ladder.level) == (
        (320, 640, 1280, 2048),
        None,
        Fit.WIDTH,
        ("avif", "webp", "jpeg"),
        Level.VIEW,
    )


def test_presets__add_to_the_built_in_ones_or_replace_them(settings):
    settings.IMAGES_APP = {
        "PRESETS": {
            "thumb": {"width": 9, "height": 9, "fit": "contain", "formats": ["png"]},
            "hero": {
                "widths": [30, 10, 20, 10],
                "formats": ["webp", "jpeg"],
                "level": "original",
                "max_age": 0,
                "quality": {"webp": 50},
                "background": "#abcDEF",
            },
        }
    }
    presets = conf.get_settings().presets
    hero = presets["hero"]
    assert set(presets) == {"thumb", "ladder", "hero"}
    assert (presets["thumb"].fit, presets["thumb"].formats) == (Fit.CONTAIN, ("png",))
    assert (hero.name, hero.widths, hero.level, hero.max_age) == (
        "hero",
        (10, 20, 30),
        Level.ORIGINAL,
        0,
    )
    assert (hero.quality, hero.background) == ({"webp": 50}, "#abcDEF")


def test_settings__are_read_once_and_forgotten_when_they_change():
    first = conf.get_settings()
    everything = (conf.get_policy(), conf.get_engine(), conf.get_delivery())
    assert conf.get_settings() is first
    with override_settings(DEBUG=True):
        assert conf.get_settings() is first
    with override_settings(IMAGES_APP={"PAGE_SIZE": 7}):
        assert conf.get_settings().page_size == 7
        again = (conf.get_policy(), conf.get_engine(), conf.get_delivery())
        assert not any(a is b for a, b in zip(everything, again, strict=True))
    assert conf.get_settings() is not first
    assert conf.get_settings() == first


@pytest.mark.parametrize("key", ["POLICY", "ENGINE", "DELIVERY"])
def test_backend__that_is_something_else_is_refused(settings, key):
    settings.IMAGES_APP = {key: {"BACKEND": "builtins.object"}}
    get = {"POLICY": conf.get_policy, "ENGINE": conf.get_engine, "DELIVERY": conf.get_delivery}[key]
    with pytest.raises(ImproperlyConfigured, match=f"{key}.* cannot be used: it has no "):
        get()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_bytes": "1GB"}, "memory_bytes is a whole number, 1 or more"),
        ({"cpu_seconds": 0}, "cpu_seconds is a whole number, 1 or more"),
        ({"python": "/no"}, "there is no interpreter '/no' of this Python"),
        ({"backend": BOUNDED}, "backend is an engine that decodes by itself"),
    ],
    ids=str,
)
def test_engine__options_that_make_no_sense_are_refused(settings, options, message):
    settings.IMAGES_APP = {"ENGINE": {"BACKEND": BOUNDED, "OPTIONS": options}}
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.get_engine()
    assert message in str(caught.value)


# --- watermarks -------------------------------------------------------------------------------

MARKS = {"proof": {"text": "PROOF"}, "mine": {"text": "Mine"}}


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, "proof"), (10, "proof"), (15, "proof"), (20, "mine"), (29, "mine"), (30, ""), (99, "")],
)
def test_watermark_of__the_best_level(settings, level, expected):
    levels = {"preview": "proof", "view": "mine"}
    settings.IMAGES_APP = {"WATERMARKS": MARKS, "WATERMARK_LEVELS": levels}
    assert conf.watermark_of(level) == expected


def test_watermark_of__a_level_without_one_is_none(settings):
    settings.IMAGES_APP = {"WATERMARKS": MARKS, "WATERMARK_LEVELS": {"preview": "proof"}}
    assert conf.watermark_of(Level.VIEW) == ""
    settings.IMAGES_APP = {}
    assert conf.watermark_of(Level.PREVIEW) == ""
