"""The picture tag: the right preset, sizes that the browser can choose by, and no work."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory

from images_app.access import Level, Viewer
from images_app.models import GalleryItem, Grant, Image
from images_app.renditions import rendition_url, resolve
from images_app.sharing import create_link, unlock
from images_app.templatetags.images_app import may_download, picture
from images_app.trash import trash

PLACES = ("page", "grid", "cover", "thumb")


def shown(level=Level.VIEW, *, viewer_watermark=None, **values):
    """An image as a visible queryset would give it; in no database."""
    image = Image(**{"width": 3000, "height": 2000, "title": "Cat", "format": "jpeg", **values})
    image.viewer_level = level
    image.viewer_watermark = viewer_watermark
    return image


def rendered(tag: str, **context) -> list[tuple[str, dict[str, str | None]]]:
    """The tags of what a template makes."""
    html = Template(f"{{% load images_app %}}{tag}").render(Context(context))
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda name, attributes: found.append((name, dict(attributes)))
    parser.feed(html)
    return found


def test_picture__has_every_format_and_a_fallback():
    image = shown()
    tags = rendered("{% picture image %}", image=image)
    assert [name for name, _ in tags] == ["picture", "source", "source", "img"]
    assert [a["type"] for name, a in tags if name == "source"] == ["image/avif", "image/webp"]
    img = tags[-1][1]
    assert (img["width"], img["height"]) == ("2048", "1365")
    assert img["alt"] == "Cat"
    assert img["src"] == rendition_url(image, "ladder", width=640)
    widths = re.findall(r" (\d+)w", str(img["srcset"]))
    assert widths == ["320", "640", "1280", "2048"]


@pytest.mark.parametrize(("width", "rung"), [(300, 320), (320, 320), (500, 640), (9000, 640)])
def test_picture__falls_back_to_a_rung_that_exists(width, rung):
    """For browsers without srcset: a small one, but never one that would be scaled up."""
    image = shown(width=width)
    assert picture({}, image)["src"] == rendition_url(image, "ladder", width=min(width, rung))


@pytest.mark.parametrize(
    ("level", "place", "preset"),
    [
        *((Level.PREVIEW, place, "thumb") for place in PLACES),
        *(
            (level, place, "thumb" if place == "thumb" else "ladder")
            for level in (Level.VIEW, Level.ORIGINAL)
            for place in PLACES
        ),
    ],
)
def test_picture__takes_the_preset_that_the_viewer_may_have(level, place, preset):
    image = shown(level)
    assert rendition_url(image, preset) in picture({}, image, place=place)["srcset"]


def test_picture__takes_the_settings_presets(settings):
    settings.IMAGES_APP = {
        "PRESETS": {
            "tiny": {"fit": "cover", "width": 50, "height": 50, "formats": ["png"]},
            "wide": {"widths": [900, 100], "formats": ["webp"]},
        },
        "THUMBNAIL_PRESET": "tiny",
        "LADDER_PRESET": "wide",
    }
    image = shown()
    assert picture({}, image, place="thumb")["src"] == rendition_url(image, "tiny")
    assert picture({}, image, place="grid")["width"] == 900
    assert picture({}, image, place="grid")["sources"] == []


def sizes(width: int, height: int, place: str) -> str:
    return str(picture({}, shown(width=width, height=height), place=place)["sizes"])


def widest(text: str) -> float:
    """The last length in pixels, or else the last factor of the window's height."""
    return float(re.findall(r"([\d.]+)(?:px|\))", text)[-1])


@pytest.mark.parametrize("place", ["page", "grid"])
def test_picture__says_how_wide_it_will_be(place):
    """Twice as wide for its height asks for twice the width, never for more than the window."""
    square, panorama = sizes(1000, 1000, place), sizes(2000, 1000, place)
    assert widest(panorama) == pytest.approx(2 * widest(square))
    assert sizes(3000, 3000, place) == square
    assert "min(100vw, " in square


def test_picture__in_a_row_is_a_little_wider_than_the_row_is_high():
    assert 240 <= widest(sizes(1000, 1000, "grid")) <= 1.5 * 240


@pytest.mark.parametrize(("place", "width"), [("cover", 400), ("thumb", 160)])
def test_picture__of_fixed_width_says_so(place, width):
    assert widest(sizes(3000, 2000, place)) == widest(sizes(2000, 3000, place)) == width


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (1, 50_000), (50_000, 1), (320, 1), (16_383, 3000)]
)
@pytest.mark.parametrize("place", PLACES)
def test_picture__of_any_shape_has_a_size(width, height, place):
    found = picture({}, shown(width=width, height=height), place=place)
    assert found["width"] >= 1
    assert found["height"] >= 1


@pytest.mark.parametrize(
    ("tag", "loading", "priority"),
    [
        ("{% picture image %}", "lazy", None),
        ("{% picture image eager=True %}", "eager", "high"),
        ("{% picture image place='grid' eager=True %}", "eager", None),
        ("{% picture image place='grid' %}", "lazy", None),
    ],
)
def test_picture__loads_lazily_unless_in_sight(tag, loading, priority):
    img = rendered(tag, image=shown())[-1][1]
    assert (img["loading"], img.get("fetchpriority")) == (loading, priority)
    assert img["decoding"] == "async"


@pytest.mark.parametrize(
    ("values", "alt"),
    [
        ({"alt_text": "a cat", "title": "Cat"}, "a cat"),
        ({"title": "Cat"}, "Cat"),
        ({"title": ""}, "Untitled image"),
        ({"alt_text": '"><script>'}, '"><script>'),
    ],
)
def test_picture__always_has_an_alternative(values, alt):
    tags = rendered("{% picture image %}", image=shown(**values))
    assert tags[-1][1]["alt"] == alt
    assert "script" not in [name for name, _ in tags]


def test_picture__groups_numbers_in_no_language(settings):
    """width="2.048" would be two pixels."""
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"
    img = rendered("{% picture image %}", image=shown())[-1][1]
    assert (img["width"], img["height"]) == ("2048", "1365")
    assert " 2048w" in str(img["srcset"])


def test_picture__wants_a_visible_image():
    """An image without a level comes from no policy, and shows nothing by accident."""
    with pytest.raises(ValueError, match="Take it from"):
        picture({}, Image(width=10, height=10))


def test_picture__takes_its_options_by_name_only():
    with pytest.raises(TemplateSyntaxError):
        Template("{% load images_app %}{% picture image 'grid' %}")


@pytest.mark.django_db
def test_picture__costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        rendered("{% picture image %}", image=shown())


@pytest.mark.parametrize(
    ("level", "expected"),
    [(Level.PREVIEW, False), (Level.VIEW, False), (Level.ORIGINAL, True), (20, False), (30, True)],
)
def test_may_download__takes_the_level_of_the_original(level, expected):
    assert may_download(shown(level)) is expected


def test_picture__of_an_animation_has_no_still_source_that_would_win():
    image = shown(frames=12, format="gif")
    tags = rendered("{% picture image %}", image=image)
    assert [a["type"] for name, a in tags if name == "source"] == ["image/webp"]
    assert tags[-1][1]["src"].endswith(".gif")
    assert all(".gif " in part for part in tags[-1][1]["srcset"].split(", "))


def test_picture__of_a_negotiated_preset_is_one_img(settings):
    settings.IMAGES_APP = {
        "PRESETS": {"auto": {"widths": [320, 640], "format": "auto"}},
        "LADDER_PRESET": "auto",
    }
    image = shown()
    tags = rendered("{% picture image %}", image=image)
    assert [name for name, _ in tags] == ["picture", "img"]
    assert tags[-1][1]["src"] == rendition_url(image, "auto", width=640)
    assert tags[-1][1]["src"].endswith(".auto")


def test_picture__in_a_preset_of_ones_own(settings):
    settings.IMAGES_APP = {"PRESETS": {"hero": {"width": 900, "formats": ["webp", "jpeg"]}}}
    image = shown()
    tags = rendered('{% picture image preset="hero" %}', image=image)
    assert tags[-1][1]["src"] == rendition_url(image, "hero")
    image.viewer_level = Level.PREVIEW
    tags = rendered('{% picture image preset="hero" %}', image=image)
    assert tags[-1][1]["src"] == rendition_url(image, "thumb")
    with pytest.raises(KeyError, match=r"no preset 'nope'\. Known are hero, ladder, thumb\."):
        picture({}, image, preset="nope")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("level", "own", "expected"),
    [
        (Level.PREVIEW, None, "low"),
        (Level.VIEW, None, "high"),
        (Level.ORIGINAL, None, ""),
        (Level.ORIGINAL, "low", "low"),
    ],
)
def test_picture__is_marked_for_whom_it_is(settings, place, level, own, expected):
    settings.IMAGES_APP = {
        "WATERMARKS": {"low": {"text": "LOW"}, "high": {"text": "HIGH"}},
        "WATERMARK_LEVELS": {"preview": "low", "view": "high"},
    }
    image = shown(level, viewer_watermark=own)
    for _, attributes in rendered("{% picture image place=place %}", image=image, place=place):
        for address in re.findall(r"/[^ ,]+", attributes.get("srcset") or ""):
            assert resolve(address.rpartition("/")[2]).watermark == expected
        if "src" in attributes:
            assert resolve(attributes["src"].rpartition("/")[2]).watermark == expected


def through_a_relation(gallery):
    """The first image of a gallery as a foreign key gives it: nobody has asked the policy."""
    return GalleryItem.objects.get(gallery=gallery).image


def as_seen_by(user, image, tag="{% picture image %}"):
    request = RequestFactory().get("/")
    request.user = user
    return rendered(tag, image=image, request=request)


def test_picture__of_a_relation_asks_what_its_viewer_may_see(
    make_gallery, make_user, django_assert_num_queries
):
    owner, previewer, stranger = (make_user(name) for name in ("owner", "previewer", "stranger"))
    gallery = make_gallery(owner=owner, images=1)
    Grant.objects.create(gallery=gallery, user=previewer, level=Level.PREVIEW)
    image = through_a_relation(gallery)
    with django_assert_num_queries(1):
        tags = as_seen_by(owner, image)
    assert rendition_url(image, "ladder", width=640) == tags[-1][1]["src"]
    assert as_seen_by(previewer, image)[-1][1]["src"] == rendition_url(image, "thumb")
    assert as_seen_by(stranger, image) == []
    assert as_seen_by(AnonymousUser(), image) == []
    trash(Image.objects.all())
    assert as_seen_by(owner, through_a_relation(gallery)) == []


def test_picture__of_a_relation_counts_the_links_of_the_session(make_gallery, make_user):
    owner = make_user("owner")
    gallery = make_gallery(owner=owner, images=1)
    link, _token = create_link(Viewer(user=owner), gallery)
    request = RequestFactory().get("/")
    request.session = SessionStore()
    unlock(request.session, link)
    image = through_a_relation(gallery)
    tags = rendered("{% picture image %}", image=image, request=request)
    assert [name for name, _ in tags][-1] == "img"


def test_picture__of_no_image_is_nothing(make_user):
    for nothing in (None, ""):
        assert as_seen_by(make_user(f"user{nothing}"), nothing) == []
    assert rendered("{% picture absent %}") == []


def test_picture__without_a_request_says_how_it_is_done(make_gallery):
    image = through_a_relation(make_gallery(images=1))
    for tag in ("{% picture image %}", "{{ image|may_download }}"):
        with pytest.raises(ValueError, match=r"foreign key.*visible_to\(viewer\)"):
            rendered(tag, image=image)
