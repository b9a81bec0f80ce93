"""The pages: few queries, no bytes, nothing that their viewer may not have."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser

import pytest
from django.core.files.storage import Storage, storages
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image as PillowImage

from images_app.models import GalleryItem, Grant, Image
from images_app.renditions import rendition_url
from tests.databases import connection

pytestmark = pytest.mark.django_db
LIST = "/"  # where the demo project has the list of galleries


class Elements(HTMLParser):
    """All start tags of a page, as (name, attributes)."""

    def __init__(self, response):
        super().__init__()
        self.found = []
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(response, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in Elements(response).found if name == tag]


def links(response, rel: str) -> list[str]:
    """Where the links of that relation lead, each once."""
    found = [*elements(response, "a"), *elements(response, "link")]
    return sorted({str(a["href"]) for a in found if rel in str(a.get("rel", "")).split()})


def bytes_urls(response) -> set[str]:
    """Every URL of image bytes that is anywhere in the page."""
    return set(re.findall(r"/(?:renditions|originals)/[^\s\",?]+", response.content.decode()))


def fill(gallery, number: int) -> list[Image]:
    """Hang many images without making files."""
    first = Image.objects.create(
        title="0",
        storage_alias="images",
        storage_name="x",
        format="jpeg",
        width=3000,
        height=2000,
        byte_size=1,
        checksum="0" * 64,
    )
    images = [first]
    for i in range(1, number):
        image = Image.objects.get(pk=first.pk)
        image.pk, image.public_id, image.title = None, uuid.uuid4(), str(i)
        images.append(image)
    Image.objects.bulk_create(images[1:])
    GalleryItem.objects.bulk_create(
        GalleryItem(gallery=gallery, image=image, position=10 * i) for i, image in enumerate(images)
    )
    return images


@pytest.fixture
def friend(make_user):
    return make_user("friend")


@pytest.fixture
def shared(make_gallery, friend):
    """A private gallery with three images, which the friend may view."""
    gallery = make_gallery("Shared", images=3)
    Grant.objects.create(gallery=gallery, user=friend, level=20)
    return gallery


@pytest.fixture
def no_bytes(monkeypatch):
    """From here on, any call of a storage and any opening of a picture fails the test."""

    def fail(*args, **kwargs):
        pytest.fail("a page touched bytes")

    for cls in {Storage, *(type(storages[alias]) for alias in ("images", "image_renditions"))}:
        for method in ("open", "save", "exists", "url", "size", "path", "delete"):
            monkeypatch.setattr(cls, method, fail)
    monkeypatch.setattr(PillowImage, "open", fail)


# --- cost -------------------------------------------------------------------------------------


@pytest.fixture(params=["member", "owner", "staff", "superuser"])
def someone(request, make_user):
    """A kind of viewer, who may see the gallery ``large``."""
    kinds = {
        "staff": {
            "is_staff": True,
            "permissions": ["view_image", "view_gallery", "change_image", "change_gallery"],
        },
        "superuser": {"is_staff": True, "is_superuser": True},
    }
    return make_user(request.param, **kinds.get(request.param, {}))


@pytest.fixture
def large(someone, make_gallery):
    """A gallery of 120 images."""
    gallery = make_gallery("Large")
    fill(gallery, 120)
    if someone.username == "owner":
        gallery.owner = someone
        gallery.save()
    elif someone.username == "member":
        Grant.objects.create(gallery=gallery, user=someone, level=20)
    return gallery


@pytest.mark.usefixtures("no_bytes")
def test_gallery__of_100_images_costs_few_queries_and_no_bytes(
    client_of, someone, large, django_assert_max_num_queries
):
    client = client_of(someone)
    with django_assert_max_num_queries(6):
        response = client.get(large.get_absolute_url())
    assert len(elements(response, "picture")) == 100


@pytest.mark.usefixtures("no_bytes")
def test_image__costs_few_queries_and_no_bytes(
    client_of, someone, large, django_assert_max_num_queries
):
    client = client_of(someone)
    image = Image.objects.order_by("pk")[60]
    with django_assert_max_num_queries(9):
        response = client.get(f"{image.get_absolute_url()}?gallery={large.public_id}")
    assert len(elements(response, "picture")) == 1


@pytest.mark.usefixtures("no_bytes")
def test_list__costs_few_queries_and_no_bytes(
    client_of, someone, large, make_gallery, django_assert_max_num_queries
):
    for number in range(20):
        fill(make_gallery(str(number), visibility="public"), 3)
    client = client_of(someone)
    with django_assert_max_num_queries(6):
        response = client.get(LIST)
    assert len(elements(response, "picture")) == 21


def test_gallery__costs_as_much_for_many_as_for_few(client_of, friend, make_gallery):
    client, counts = client_of(friend), []
    for number in (1, 100):
        gallery = make_gallery(visibility="members")
        fill(gallery, number)
        with CaptureQueriesContext(connection) as queries:
            client.get(gallery.get_absolute_url())
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- headers ----------------------------------------------------------------------------------


def page_urls(gallery) -> list[str]:
    image = gallery.images.first()
    return [gallery.get_absolute_url(), image.get_absolute_url()]


def test_headers__of_private_pages(client_of, friend, shared):
    client = client_of(friend)
    for url in [*page_urls(shared), LIST]:
        response = client.get(url)
        assert response["X-Robots-Tag"] == "noindex"
        assert response["Cache-Control"] == "private, no-cache"
        assert "Cookie" in response["Vary"]


def test_headers__of_public_pages_to_anonymous(client, make_gallery):
    gallery = make_gallery(visibility="public", images=1)
    for url in [*page_urls(gallery), LIST]:
        response = client.get(url)
        assert "X-Robots-Tag" not in response.headers
        assert response["Cache-Control"] == "private, no-cache"
        assert "Cookie" in response["Vary"]


# --- who is let in ----------------------------------------------------------------------------


def test_anonymous__is_sent_to_login_and_back(client, shared):
    for url in page_urls(shared):
        response = client.get(f"{url}?gallery=1&after=2")
        assert response.status_code == 302
        assert response["Location"] == f"/login/?next={url}%3Fgallery%3D1%26after%3D2"
        assert response["Cache-Control"] == "no-store"


def test_anonymous__comes_back_after_login(client, friend, shared):
    url = shared.get_absolute_url()
    login = client.get(url)["Location"]
    response = client.post(login, {"username": "friend", "password": "secret"})
    assert response["Location"] == url
    assert client.get(url).status_code == 200


def test_404__for_the_logged_in_is_not_indexed_or_told_apart(client_of, friend, make_gallery):
    foreign = make_gallery("Foreign", images=1)
    client = client_of(friend)
    for url in page_urls(foreign):
        never = re.sub(r"[0-9a-f-]{36}", str(uuid.uuid4()), url)
        assert client.get(url).status_code == client.get(never).status_code == 404
        assert client.get(url).content == client.get(never).content


# --- a gallery --------------------------------------------------------------------------------


def test_gallery__shows_its_images_in_order(client_of, friend, shared):
    first = shared.items.first()
    shared.items.filter(pk=first.pk).update(position=1000)
    response = client_of(friend).get(shared.get_absolute_url())
    assert [image.title for image in response.context["page"].rows] == ["1", "2", "0"]


@pytest.mark.parametrize("size", [1, 3, 7, 10])
def test_gallery__pages_lead_through_all_images_and_back(client, make_gallery, settings, size):
    settings.IMAGES_APP = {"PAGE_SIZE": size}
    gallery = make_gallery(visibility="public")
    titles = [image.title for image in fill(gallery, 7)]
    url, seen, visited = gallery.get_absolute_url(), [], []
    while True:
        visited.append(url)
        response = client.get(url)
        seen += [image.title for image in response.context["page"].rows]
        onward = links(response, "next")
        if not onward:
            break
        url = gallery.get_absolute_url() + onward[0]
    assert seen == titles
    assert len(visited) == -(-7 // size)
    back = []
    while True:
        back = [image.title for image in response.context["page"].rows] + back
        backward = links(response, "prev")
        if not backward:
            break
        response = client.get(gallery.get_absolute_url() + backward[0])
    assert back == titles


@pytest.mark.parametrize("query", ["after=nonsense", "before=1", "after=1_2_3", "after=", "x=y"])
def test_gallery__takes_a_nonsense_cursor_for_the_first_page(client, make_gallery, query):
    gallery = make_gallery(visibility="public", images=2)
    response = client.get(f"{gallery.get_absolute_url()}?{query}")
    assert [image.title for image in response.context["page"].rows] == ["0", "1"]


def test_gallery__leaves_out_the_trash(client_of, friend, shared):
    trashed = shared.images.first()
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    response = client_of(friend).get(shared.get_absolute_url())
    assert trashed not in response.context["page"].rows
    assert str(trashed.public_id) not in response.content.decode()


def test_gallery__that_is_empty_says_so(client, make_gallery):
    response = client.get(make_gallery(visibility="public").get_absolute_url())
    assert "No images here yet" in response.content.decode()
    assert elements(response, "picture") == []


def test_gallery__of_another_position_order_is_stable(client, make_gallery, settings):
    """All at one position: the order of hanging decides, across pages."""
    settings.IMAGES_APP = {"PAGE_SIZE": 2}
    gallery = make_gallery(visibility="public")
    fill(gallery, 5)
    gallery.items.update(position=0)
    first = client.get(gallery.get_absolute_url())
    second = client.get(gallery.get_absolute_url() + links(first, "next")[0])
    rows = [*first.context["page"].rows, *second.context["page"].rows]
    assert [image.title for image in rows] == ["0", "1", "2", "3"]


# --- the list ---------------------------------------------------------------------------------


def test_list__that_is_empty_says_so(client, make_gallery):
    make_gallery("Hidden")
    response = client.get(LIST)
    assert response.status_code == 200
    assert "No galleries to see yet" in response.content.decode()
    assert "Hidden" not in response.content.decode()


def shown_cover(client, gallery):
    rows = client.get(LIST).context["page"].rows
    return next(row.shown_cover for row in rows if row.pk == gallery.pk)


def test_cover__is_the_chosen_one_else_the_first(client_of, friend, shared):
    client, images = client_of(friend), list(shared.images.order_by("gallery_items__position"))
    assert shown_cover(client, shared) == images[0]
    shared.cover = images[2]
    shared.save()
    assert shown_cover(client, shared) == images[2]


def test_cover__that_the_viewer_may_not_see_is_not_shown(client_of, friend, shared, make_image):
    """A cover hangs anywhere: choosing it gives nobody the right to see it."""
    hidden = make_image(name="hidden.jpg")
    shared.cover = hidden
    shared.save()
    client = client_of(friend)
    assert shown_cover(client, shared).title == "0"
    assert str(hidden.public_id) not in client.get(LIST).content.decode()
    Grant.objects.create(image=hidden, user=friend, level=20)
    assert shown_cover(client, shared) == hidden


def test_cover__in_the_trash_is_not_shown(client_of, friend, shared):
    images = list(shared.images.order_by("gallery_items__position"))
    shared.cover = images[1]
    shared.save()
    for image in images[:2]:
        Image.objects.filter(pk=image.pk).update(trashed_at=timezone.now())
    client = client_of(friend)
    assert shown_cover(client, shared) == images[2]
    Image.objects.update(trashed_at=timezone.now())
    assert shown_cover(client, shared) is None


def test_list__counts_what_the_viewer_may_see(client_of, friend, shared):
    trashed = shared.images.first()
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    response = client_of(friend).get(LIST)
    assert [row.number_of_images for row in response.context["page"].rows] == [2]
    assert "2 images" in response.content.decode()


def test_list__pages_lead_through_all_galleries(client, make_gallery):
    names = [make_gallery(f"{number:03}", visibility="public").title for number in range(50)]
    first = client.get(LIST)
    second = client.get(LIST + links(first, "next")[0])
    rows = [*first.context["page"].rows, *second.context["page"].rows]
    assert [row.title for row in rows] == names[::-1]
    assert len(first.context["page"].rows) == 48
    again = client.get(LIST + links(second, "prev")[0])
    assert [row.pk for row in again.context["page"].rows] == [row.pk for row in rows[:48]]


# --- an image ---------------------------------------------------------------------------------


def neighbours(response) -> tuple[str | None, str | None]:
    previous, following = (response.context.get(f"{n}_image") for n in ("previous", "next"))
    return previous and previous.title, following and following.title


def test_image__has_its_neighbours_in_the_gallery(client_of, friend, shared):
    client, found = client_of(friend), []
    for item in shared.items.all():
        url = f"{item.image.get_absolute_url()}?gallery={shared.public_id}"
        response = client.get(url)
        found.append(neighbours(response))
        for rel, title in zip(("prev", "next"), found[-1], strict=True):
            assert len(links(response, rel)) == (1 if title else 0)
            for link in links(response, rel):
                assert client.get(link).context["image"].title == title
                assert link.endswith(f"?gallery={shared.public_id}")
    assert found == [(None, "1"), ("0", "2"), ("1", None)]


def test_image__skips_neighbours_that_the_viewer_may_not_see(client_of, friend, shared):
    images = list(shared.images.order_by("gallery_items__position"))
    Image.objects.filter(pk=images[1].pk).update(trashed_at=timezone.now())
    client = client_of(friend)
    response = client.get(f"{images[0].get_absolute_url()}?gallery={shared.public_id}")
    assert neighbours(response) == (None, "2")


@pytest.mark.parametrize("wanted", ["foreign", "other", "never", "nonsense", "", "1", "\0", "nul"])
def test_image__ignores_a_foreign_or_nonsense_gallery(
    client_of, friend, shared, make_gallery, wanted
):
    """Foreign: the image hangs there, but the viewer may not know. Other: it does not hang."""
    image = shared.images.first()
    foreign = make_gallery("Foreign secret", images=1)
    foreign.append(image)
    other = make_gallery("Other", visibility="members", images=2)
    values = {
        "foreign": str(foreign.public_id),
        "other": str(other.public_id),
        "never": str(uuid.uuid4()),
        "nul": f"{shared.public_id}\0",
    }
    response = client_of(friend).get(
        image.get_absolute_url(), {"gallery": values.get(wanted, wanted)}
    )
    assert response.status_code == 200
    assert response.context.get("gallery") is None
    assert neighbours(response) == (None, None)
    assert links(response, "next") == links(response, "prev") == []
    text = response.content.decode()
    assert "Foreign secret" not in text
    assert not any(value in text for value in values.values())


@pytest.mark.parametrize(
    ("level", "has_original", "presets"),
    [(10, False, {"thumb"}), (20, False, {"ladder"}), (30, True, {"ladder"})],
)
def test_page__offers_what_its_viewer_may_have(
    client_of, friend, make_gallery, level, has_original, presets
):
    gallery = make_gallery(images=1)
    Grant.objects.create(gallery=gallery, user=friend, level=level)
    image, client = gallery.images.get(), client_of(friend)
    response = client.get(image.get_absolute_url())
    assert (image.original_url in bytes_urls(response)) is has_original
    for url in (image.get_absolute_url(), gallery.get_absolute_url(), LIST):
        found = bytes_urls(client.get(url))
        assert (rendition_url(image, "thumb") in found) is ("thumb" in presets)
        assert (rendition_url(image, "ladder") in found) is ("ladder" in presets)


def test_previewer__is_offered_the_thumb_only(client_of, friend, make_gallery):
    gallery = make_gallery(images=2)
    Grant.objects.create(gallery=gallery, user=friend, level=10)
    client = client_of(friend)
    thumbs = {rendition_url(image, "thumb") for image in gallery.images.all()}
    assert bytes_urls(client.get(gallery.get_absolute_url())) == thumbs
    for image in gallery.images.all():
        response = client.get(f"{image.get_absolute_url()}?gallery={gallery.public_id}")
        assert bytes_urls(response) == {rendition_url(image, "thumb")}


def test_image__tells_camera_and_never_the_place(client_of, make_user, make_image):
    exif = PillowImage.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS R5"
    exif[0x8769] = {0x9003: "2026:05:04 12:30:00", 0x829D: 2.8}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 12.0)}
    owner = make_user()
    image = make_image(owner=owner, exif=exif)
    text = client_of(owner).get(image.get_absolute_url()).content.decode()
    for told in ("Canon EOS R5", "f/2.8", 'datetime="2026-05-04T12:30:00'):
        assert told in text
    for never in ("48.14", "11.57", "GPS", "latitude", image.checksum, image.storage_name):
        assert never not in text


# --- markup -----------------------------------------------------------------------------------

HOSTILE = '<script>alert("1")</script>&amp;\'{{ 7*7 }}'


def test_text__is_escaped_everywhere(client, make_gallery):
    gallery = make_gallery(HOSTILE, visibility="public")
    gallery.description = HOSTILE
    gallery.save()
    image = fill(gallery, 2)[0]
    Image.objects.update(title=HOSTILE, alt_text=HOSTILE, caption=HOSTILE)
    urls = [*page_urls(gallery), f"{image.get_absolute_url()}?gallery={gallery.public_id}", LIST]
    for url in urls:
        text = client.get(url).content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;" in text
        assert "{{ 7*7 }}" in text  # a title is no template


def test_picture__has_size_alternative_and_sources(client, make_gallery):
    gallery = make_gallery(visibility="public")
    image = fill(gallery, 1)[0]
    Image.objects.update(alt_text="a cat")
    for url in (gallery.get_absolute_url(), image.get_absolute_url(), LIST):
        response = client.get(url)
        (picture,) = elements(response, "img")
        assert picture["alt"] == "a cat"
        assert (picture["width"], picture["height"]) == ("2048", "1365")
        assert picture["src"] in str(picture["srcset"])
        assert re.fullmatch(r"(/renditions/\S+\.jpg \d+w(, )?){4}", str(picture["srcset"]))
        found = elements(response, "source")
        assert [source["type"] for source in found] == ["image/avif", "image/webp"]
        for source, extension in zip(found, ("avif", "webp"), strict=True):
            assert str(source["srcset"]).count(f".{extension} ") == 4
            assert source["sizes"] == picture["sizes"]


def test_picture__without_title_or_text_has_an_alternative_still(client, make_gallery):
    gallery = make_gallery(visibility="public")
    fill(gallery, 1)
    Image.objects.update(title="", alt_text="")
    (picture,) = elements(client.get(gallery.get_absolute_url()), "img")
    assert picture["alt"] == "Untitled image"


def test_gallery__loads_what_is_in_sight_first(client, make_gallery):
    gallery = make_gallery(visibility="public")
    fill(gallery, 10)
    response = client.get(gallery.get_absolute_url())
    loading = [picture["loading"] for picture in elements(response, "img")]
    assert loading[0] == "eager"
    assert loading[-1] == "lazy"


def test_pages__work_without_scripts_and_inline_styles(client, make_gallery):
    """A strict Content-Security-Policy of the host breaks nothing."""
    gallery = make_gallery(visibility="public", images=2)
    for url in [*page_urls(gallery), LIST]:
        for tag, attributes in Elements(client.get(url)).found:
            assert tag not in {"script", "style"}
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]


def test_upload__appears_at_once(client_of, make_user, make_gallery, make_image):
    owner = make_user()
    gallery = make_gallery(owner=owner)
    client = client_of(owner)
    client.get(gallery.get_absolute_url())
    image = make_image(gallery=gallery, name="new.jpg")
    response = client.get(gallery.get_absolute_url())
    assert rendition_url(image, "ladder") in bytes_urls(response)
