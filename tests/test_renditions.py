"""Renditions: made once, found again, healed, and never a row without bytes."""

from __future__ import annotations

import io
import threading
import time
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import OperationalError, connections
from django.utils import timezone
from PIL import Image as PillowImage

from images_app.access import Level
from images_app.conf import ORIGINALS, RENDITIONS, get_engine, get_settings
from images_app.engines.bounded import BoundedEngine
from images_app.exceptions import Busy, BytesGone, RenderFailed, StorageUnavailable
from images_app.meanings import Meaning, meanings
from images_app.models import Image, Rendition, RenditionLease
from images_app.ownership import is_mark
from images_app.renditions import (
    is_made_for,
    known_watermark,
    locate_original,
    locate_rendition,
    locate_unrecorded,
    locating,
    make_renditions,
    open_stored,
    rendition_url,
    resolve,
    signed_sources,
    sources,
    specs_for,
)
from images_app.slots import decode_slot
from tests.pictures import body, opened, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def spec():
    """The thumbnail's spec."""
    return get_settings().presets["thumb"].spec(320, "jpeg")


@pytest.fixture
def renders(monkeypatch):
    """The widths that were rendered."""
    made, render = [], BoundedEngine.render

    def counted(self, source, outputs, **kwargs):
        made.extend(spec.width for spec, _ in outputs)
        return render(self, source, outputs, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", counted)
    return made


@pytest.fixture
def rendition_files(private_folder):
    """The names of the stored renditions."""

    def found():
        folder = private_folder / "renditions"
        names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        return sorted(name for name in names if not is_mark(name))

    return found


def read(location) -> bytes:
    with location.open_range(0, location.length) as file:
        return file.read()


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


class OfTheStore(Exception):
    """What an object store's own library raises; no OSError."""


STORAGE_ERRORS = [OSError("/secret/path"), TimeoutError(), OfTheStore("bucket")]
each_storage_error = pytest.mark.parametrize("error", STORAGE_ERRORS, ids=repr)


# --- making and finding -----------------------------------------------------------------------


def test_locate__makes_once(make_image, spec, renders, rendition_files):
    image = make_image()
    first = locate_rendition(image, spec)
    second = locate_rendition(Image.objects.get(pk=image.pk), spec)
    assert renders == [spec.width]
    assert (first.name, first.length) == (second.name, second.length)
    assert read(first) == read(second)
    assert rendition_files() == [first.name]


def test_locate__records_what_was_made(make_image, spec):
    image = make_image(size=(1000, 700))
    location = locate_rendition(image, spec)
    row = Rendition.objects.get()
    assert (row.image, row.version, row.format) == (image, 1, "jpeg")
    assert (row.width, row.height) == opened(read(location)).size == (320, 320)
    assert row.byte_size == location.length == len(read(location))
    assert row.storage_alias == location.storage_alias == RENDITIONS
    assert row.storage_name == location.name


def test_names__are_a_function_of_the_identity(make_image, spec, rendition_files):
    image = make_image()
    fingerprint = spec.fingerprint(get_engine().output_version)
    expected = f"{image.public_id}/1/{fingerprint}.jpg"
    assert locate_rendition(image, spec).name == expected
    Rendition.objects.all().delete()
    assert locate_rendition(image, spec).name == expected
    assert rendition_files() == [expected]
    assert rendition_url(image, "thumb").endswith(f"/{expected}")


def test_locate__makes_another_for_a_new_version(make_image, spec, rendition_files):
    image = make_image(size=(600, 300))
    left = read(locate_rendition(image, spec))
    image.focal_x = 1.0
    image.save()
    right = read(locate_rendition(image, spec))
    assert left != right
    assert [name.split("/")[1] for name in rendition_files()] == ["1", "2"]


@pytest.mark.parametrize("preset", ["thumb", "ladder"])
def test_sources__have_the_sizes_that_are_made(make_image, preset):
    """A page says width and height before anybody has made the bytes."""
    image = make_image(size=(700, 501))
    found = get_settings().presets[preset]
    for source in sources(image, found):
        (made,) = resolve(source.url.rsplit("/", 1)[1]).specs
        assert opened(read(locate_rendition(image, made))).size == (source.width, source.height)


# --- failures ---------------------------------------------------------------------------------


def test_row__comes_last(make_image, spec, monkeypatch):
    image = make_image()
    save = storages[RENDITIONS].save

    def look_first(name, content, **kwargs):
        assert not Rendition.objects.exists()
        return save(name, content, **kwargs)

    monkeypatch.setattr(storages[RENDITIONS], "save", look_first)
    locate_rendition(image, spec)
    assert Rendition.objects.count() == 1


@each_storage_error
def test_storage__that_takes_nothing_leaves_no_row(
    make_image, spec, monkeypatch, rendition_files, caplog, error
):
    image = make_image()
    monkeypatch.setattr(storages[RENDITIONS], "_save", failing(error))
    with pytest.raises(StorageUnavailable) as caught:
        locate_rendition(image, spec)
    assert not Rendition.objects.exists()
    assert rendition_files() == []
    assert "secret" not in str(caught.value)
    assert f"code=storage_unavailable image={image.pk} storage=image_renditions" in caplog.text
    monkeypatch.undo()
    assert read(locate_rendition(image, spec))


def test_row__that_is_absent_is_made_again(make_image, spec, renders, rendition_files):
    """A crash between the bytes and the row leaves a file, which makes room."""
    image = make_image()
    name = locate_rendition(image, spec).name
    Rendition.objects.all()._raw_delete("default")
    assert rendition_files() == [name]
    assert read(locate_rendition(image, spec))
    assert len(renders) == 2
    assert rendition_files() == [name]
    assert Rendition.objects.count() == 1


def test_row__without_bytes_heals_itself(make_image, spec, renders, rendition_files, caplog):
    image = make_image()
    content = read(locate_rendition(image, spec))
    location = locate_rendition(image, spec)
    storages[RENDITIONS].delete(location.name)
    assert read(location) == content
    assert rendition_files() == [location.name]
    assert len(renders) == 2
    assert Rendition.objects.count() == 1
    assert "code=bytes_gone" in caplog.text
    read(location)
    assert len(renders) == 2


def test_row__that_heals_with_another_length_says_so_next_time(make_image, spec, monkeypatch):
    """The length was promised in the header already; another encoder build breaks it."""
    image = make_image()
    location = locate_rendition(image, spec)
    Rendition.objects.update(byte_size=location.length + 1)
    location = locate_rendition(image, spec)
    storages[RENDITIONS].delete(location.name)
    with pytest.raises(StorageUnavailable):
        location.open_range(0, location.length)
    healed = locate_rendition(image, spec)
    assert healed.length == len(read(healed))


def test_row__of_another_storage_heals_into_the_present_one(make_image, spec, settings, tmp_path):
    image = make_image()
    name = locate_rendition(image, spec).name
    backend = {**settings.STORAGES[RENDITIONS], "OPTIONS": {"location": tmp_path / "old"}}
    settings.STORAGES = {**settings.STORAGES, "old": backend}
    Rendition.objects.update(storage_alias="old", byte_size=len(b"moved"))
    storages["old"].save(name, ContentFile(b"moved"))
    location = locate_rendition(image, spec)
    assert read(location) == b"moved"
    storages["old"].delete(name)
    with pytest.raises(StorageUnavailable):
        location.open_range(0, location.length)
    assert locate_rendition(image, spec).storage_alias == RENDITIONS
    assert read(locate_rendition(image, spec)) != b"moved"


def test_original__that_is_gone_is_said_so(make_image, spec, caplog):
    image = make_image()
    storages[ORIGINALS].delete(image.storage_name)
    with pytest.raises(BytesGone):
        locate_original(image).open_range(0, 1)
    with pytest.raises(BytesGone):
        locate_rendition(image, spec)
    assert not Rendition.objects.exists()
    assert "code=bytes_gone storage=images" in caplog.text
    assert image.storage_name not in caplog.text


def test_both__that_are_gone_are_said_so(make_image, spec):
    image = make_image()
    location = locate_rendition(image, spec)
    storages[RENDITIONS].delete(location.name)
    storages[ORIGINALS].delete(image.storage_name)
    with pytest.raises(BytesGone):
        location.open_range(0, location.length)


@each_storage_error
def test_storage__that_cannot_be_asked_is_said_so(make_image, spec, monkeypatch, caplog, error):
    image = make_image()
    monkeypatch.setattr(storages[ORIGINALS], "open", failing(error))
    open_original = partial(locate_original(image).open_range, 0, 1)
    for ask in (open_original, partial(locate_rendition, image, spec)):
        with pytest.raises(StorageUnavailable) as caught:
            ask()
        assert "secret" not in str(caught.value)
    assert not Rendition.objects.exists()
    assert "code=storage_unavailable storage=images" in caplog.text


def test_open_stored__takes_an_unknown_storage_for_one_that_cannot_be_asked():
    with pytest.raises(StorageUnavailable):
        open_stored("moved-away", "name")


@pytest.mark.django_db(transaction=True)
def test_image__deleted_meanwhile_leaves_nothing(
    make_image, spec, monkeypatch, files, django_user_model
):
    image = make_image()
    render = BoundedEngine.render

    def delete_first(self, *args, **kwargs):
        Image.objects.get(pk=image.pk).delete()
        return render(self, *args, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", delete_first)
    with pytest.raises(BytesGone):
        locate_rendition(image, spec)
    assert files() == []
    assert not Rendition.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_race__is_one_encode(make_image, spec, renders, monkeypatch, rendition_files):
    """Eight ask at once for what nobody has asked before: one makes it, the others wait."""
    image = make_image(size=(800, 600))
    start, answers, failures = threading.Barrier(8, timeout=30), [], []

    def ask():
        try:
            start.wait()
            answers.append(read(locate_rendition(image, spec)))
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert renders == [spec.width]
    assert len(set(answers)) == 1
    assert len(rendition_files()) == Rendition.objects.count() == 1
    assert not RenditionLease.objects.exists()


def lease_of(image, spec, seconds):
    """Somebody else's lease, which has so long to live."""
    return RenditionLease.objects.create(
        image=image,
        version=image.version,
        fingerprint=spec.fingerprint(get_engine().output_version),
        format=spec.format,
        holder=uuid.uuid4(),
        ends_at=timezone.now() + timedelta(seconds=seconds),
    )


def test_lease__of_the_living_is_waited_for_then_busy(
    make_image, spec, settings, renders, monkeypatch
):
    settings.IMAGES_APP = {"RENDER_PATIENCE": 1}
    monkeypatch.setattr("images_app.renditions.single_flight.LEASE", 60)
    image = make_image()
    lease_of(image, spec, 60)
    started = time.monotonic()
    with pytest.raises(Busy) as caught:
        locate_rendition(image, spec)
    assert 0.9 < time.monotonic() - started < 5
    assert caught.value.status_code == 503
    assert renders == []


def test_lease__of_the_dead_is_taken_over(make_image, spec, renders):
    """Its holder was killed: nobody renews it, and the next one makes the rendition."""
    image = make_image()
    lease_of(image, spec, 0.5)
    started = time.monotonic()
    assert read(locate_rendition(image, spec))
    assert 0.4 < time.monotonic() - started < 5
    assert renders == [spec.width]
    assert not RenditionLease.objects.exists()


@pytest.mark.parametrize("ahead", [11, 3600, 86400 * 365])
def test_lease__of_a_clock_that_was_ahead_is_taken_over(make_image, spec, renders, ahead):
    """No lease can end so late, so none would ever be renewed or given back."""
    image = make_image()
    lease_of(image, spec, ahead)
    started = time.monotonic()
    assert read(locate_rendition(image, spec))
    assert time.monotonic() - started < 5
    assert renders == [spec.width]
    assert not RenditionLease.objects.exists()


def test_lease__of_a_clock_that_is_a_little_ahead_is_waited_for(make_image, spec, renders):
    """Clocks of two hosts never agree to the millisecond."""
    image = make_image()
    lease_of(image, spec, 7)
    other = get_settings().presets["ladder"].spec(320, "avif")
    assert make_renditions(image, [spec, other]) == 1
    assert renders == [other.width]


@pytest.mark.django_db(transaction=True)
def test_lease__is_renewed_while_its_holder_is_busy(make_image, spec, monkeypatch):
    monkeypatch.setattr("images_app.renditions.single_flight.LEASE", 0.3)
    image, render, ends = make_image(), BoundedEngine.render, []

    def slow(self, *args, **kwargs):
        for _ in range(2):
            ends.append(RenditionLease.objects.get().ends_at)
            time.sleep(0.5)
        assert RenditionLease.objects.get().ends_at > timezone.now()
        return render(self, *args, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", slow)
    locate_rendition(image, spec)
    assert ends[0] < ends[1]


def test_lease__is_given_back_when_making_fails(make_image, spec, monkeypatch):
    def fail(self, *args, **kwargs):
        raise RenderFailed

    monkeypatch.setattr(BoundedEngine, "render", fail)
    with pytest.raises(RenderFailed):
        locate_rendition(make_image(), spec)
    assert not RenditionLease.objects.exists()


def test_slots__are_few_and_patience_ends(make_image, spec, settings):
    settings.IMAGES_APP = {"MAX_DECODES": 1, "RENDER_PATIENCE": 0}
    image = make_image()
    with decode_slot(0), pytest.raises(Busy):
        locate_rendition(image, spec)
    assert read(locate_rendition(image, spec))


def test_slots__bound_what_comes_in_too(make_image, settings, files):
    settings.IMAGES_APP = {"MAX_DECODES": 1, "RENDER_PATIENCE": 0}
    with decode_slot(0), pytest.raises(Busy):
        make_image()
    assert files() == []


def test_record__that_fails_leaves_no_bytes(make_image, spec, monkeypatch, rendition_files):
    image = make_image()

    bulk_create = type(Rendition.objects).bulk_create

    def fail(self, rows, **kwargs):
        if self.model is Rendition:
            raise OperationalError
        return bulk_create(self, rows, **kwargs)

    monkeypatch.setattr(type(Rendition.objects), "bulk_create", fail)
    with pytest.raises(StorageUnavailable):
        locate_rendition(image, spec)
    assert rendition_files() == []


def test_image__deleted_while_a_rendition_is_made_again_leaves_nothing(
    make_image, spec, monkeypatch, files, django_capture_on_commit_callbacks
):
    image, render = make_image(), BoundedEngine.render
    read(locate_rendition(image, spec))
    (rendition,) = Rendition.objects.all()
    storages[RENDITIONS].delete(rendition.storage_name)

    def delete_first(self, *args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            Image.objects.get(pk=image.pk).delete()
        return render(self, *args, **kwargs)

    location = locate_rendition(image, spec)
    monkeypatch.setattr(BoundedEngine, "render", delete_first)
    with pytest.raises(BytesGone):
        location.open_range(0, location.length)
    assert files() == []


# --- several at once --------------------------------------------------------------------------


def test_several__are_made_from_one_decode(make_image, monkeypatch, rendition_files):
    calls, render = [], BoundedEngine.render

    def counted(self, source, outputs, **kwargs):
        calls.append(len(outputs))
        return render(self, source, outputs, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", counted)
    image = make_image(size=(1400, 900))
    ladder = get_settings().presets["ladder"]
    specs = specs_for(image, [ladder])
    assert make_renditions(image, specs[:5]) == 5
    assert make_renditions(image, specs) == len(specs) - 5
    assert make_renditions(image, specs) == 0
    assert calls == [5, len(specs) - 5]
    assert len(rendition_files()) == Rendition.objects.count() == len(specs)
    assert not RenditionLease.objects.exists()


def test_several__leave_to_others_what_they_are_at(make_image, spec, renders, monkeypatch):
    monkeypatch.setattr("images_app.renditions.single_flight.LEASE", 60)
    image = make_image()
    other = get_settings().presets["ladder"].spec(320, "avif")
    lease_of(image, spec, 60)
    assert make_renditions(image, [spec, other]) == 1
    assert renders == [other.width]


# --- URLs -------------------------------------------------------------------------------------


def test_url__is_pure(make_image, monkeypatch, django_assert_num_queries):
    image = make_image()
    for alias in (ORIGINALS, RENDITIONS):
        for method in ("open", "save", "exists", "size", "url"):
            monkeypatch.setattr(storages[alias], method, failing(AssertionError))
    with django_assert_num_queries(0):
        assert rendition_url(image, "thumb") == rendition_url(image, "thumb")
        assert rendition_url(image, "ladder", image_format="avif", width=640)


IN_NO_DATABASE = SimpleNamespace(public_id="00000000-0000-4000-8000-000000000000", version=3)


def unsaved(width=4000, height=3000):
    return SimpleNamespace(**vars(IN_NO_DATABASE), width=width, height=height, is_animated=False)


def test_url__ends_in_public_id_version_fingerprint_and_extension():
    image = unsaved()
    url = rendition_url(image, "ladder", image_format="webp", width=640)
    spec = get_settings().presets["ladder"].spec(640, "webp")
    fingerprint = spec.fingerprint(get_engine().output_version)
    assert url == f"/renditions/{image.public_id}/3/{fingerprint}.webp"


@pytest.mark.parametrize(
    ("width", "rung"), [(None, 2048), (1, 320), (320, 320), (321, 640), (2048, 2048), (9999, 2048)]
)
def test_url__takes_the_narrowest_rung_that_is_wide_enough(width, rung):
    url = rendition_url(unsaved(), "ladder", width=width)
    meaning = resolve(url.rsplit("/", 1)[1])
    (preset,), (spec,) = meaning.presets, meaning.specs
    assert (preset.name, spec.width, spec.format) == ("ladder", rung, "jpeg")


@pytest.mark.parametrize(
    ("preset", "image_format"),
    [
        ("nonsense", None),
        ("", None),
        ("thumb", "avif"),
        ("ladder", "png"),
        ("ladder", "tiff"),
        ("ladder", "JPEG"),
    ],
)
def test_url__of_what_does_not_exist_is_a_key_error(preset, image_format):
    with pytest.raises(KeyError):
        rendition_url(unsaved(), preset, image_format=image_format)


@pytest.mark.parametrize(
    ("preset", "image_format", "words"),
    [
        ("laddr", None, "There is no preset 'laddr'. Did you mean 'ladder'?"),
        ("xyz", None, "There is no preset 'xyz'. Known are ladder, thumb."),
        ("thumb", "JPEG", "Preset 'thumb' has no format 'JPEG'. Did you mean 'jpeg'?"),
    ],
)
def test_url__of_what_does_not_exist_says_what_does(preset, image_format, words):
    with pytest.raises(KeyError) as told:
        rendition_url(unsaved(), preset, image_format=image_format)
    assert str(told.value) == words


def test_url__is_never_silently_unsigned():
    image = unsaved()
    image.viewer_level = Level.ORIGINAL
    with pytest.raises(ImproperlyConfigured, match=r"IMAGES_APP\['SIGNING'\]"):
        rendition_url(image, "thumb", sign=True)


@pytest.mark.parametrize(
    ("width", "rungs"),
    [
        (5000, [320, 640, 1280, 2048]),
        (2048, [320, 640, 1280, 2048]),
        (1300, [320, 640, 1280, 1300]),
        (1280, [320, 640, 1280]),
        (321, [320, 321]),
        (320, [320]),
        (5, [5]),
        (1, [1]),
    ],
)
def test_sources__collapse_the_rungs_above_the_image(width, rungs):
    preset = get_settings().presets["ladder"]
    found = sources(unsaved(width, 2 * width), preset)
    assert [source.format for source in found] == [
        image_format for image_format in ("avif", "webp", "jpeg") for _ in rungs
    ]
    assert [source.width for source in found] == rungs * 3
    assert [source.height for source in found] == [2 * rung for rung in rungs] * 3
    assert len({source.url for source in found}) == len(found)


def test_sources__know_their_type():
    preset = get_settings().presets["ladder"]
    types = {source.content_type for source in sources(unsaved(), preset)}
    assert types == {"image/avif", "image/webp", "image/jpeg"}


@pytest.mark.parametrize(
    ("width", "rung", "expected"),
    [(5000, 2048, True), (700, 640, True), (700, 1280, True), (700, 2048, False), (10, 640, False)],
)
def test_is_made_for__knows_the_collapsed_rungs(width, rung, expected):
    preset = get_settings().presets["ladder"]
    meaning = Meaning(presets=(preset,), specs=(preset.spec(rung, "jpeg"),))
    assert is_made_for(unsaved(width), meaning) is expected


@pytest.mark.parametrize(
    "file_name",
    ["", ".", "nonsense", ".jpg", "0123456789abcdef.jpg", "0123456789abcdef", "a.b.c", "\0.jpg"],
)
def test_resolve__knows_nothing_made_up(file_name):
    assert resolve(file_name) is None


def test_resolve__knows_every_spec_by_its_own_extension_only():
    for (fingerprint, image_format), meaning in meanings().items():
        for extension in ("avif", "webp", "jpg", "jpeg", "png", "gif"):
            is_own = extension == {"jpeg": "jpg"}.get(image_format, image_format)
            assert resolve(f"{fingerprint}.{extension}") == (meaning if is_own else None)


CHANGES = {
    "width": {"width": 200},
    "height": {"height": 200},
    "fit": {"fit": "contain"},
    "quality": {"quality": {"jpeg": 50}},
    "background": {"background": "#000000"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_preset__that_changes_has_a_new_url(client, make_image, make_gallery, settings, change):
    image = make_image(gallery=make_gallery(visibility="public"))
    before = rendition_url(image, "thumb")
    body(client.get(before))
    thumb = {"fit": "cover", "width": 320, "height": 320, "formats": ["jpeg"], "level": "preview"}
    settings.IMAGES_APP = {"PRESETS": {"thumb": {**thumb, **CHANGES[change]}}}
    after = rendition_url(image, "thumb")
    assert after != before
    gone = client.get(before)
    assert (gone.status_code, gone["Cache-Control"]) == (404, "no-store")
    answer = client.get(after)
    assert answer.status_code == 200
    body(answer)


@pytest.mark.parametrize("unchanged", [{"max_age": 5}, {"level": "view"}], ids=str)
def test_preset__whose_bytes_stay_keeps_its_url(settings, unchanged):
    before = rendition_url(unsaved(), "thumb")
    thumb = {"fit": "cover", "width": 320, "height": 320, "formats": ["jpeg"], "level": "preview"}
    settings.IMAGES_APP = {"PRESETS": {"thumb": {**thumb, **unchanged}}}
    assert rendition_url(unsaved(), "thumb") == before


def test_url__changes_with_the_engines_output_version(monkeypatch):
    before = rendition_url(unsaved(), "thumb")
    monkeypatch.setattr(get_engine(), "output_version", 99)
    assert rendition_url(unsaved(), "thumb") != before


def test_locate_original__says_what_the_record_says(make_image):
    content = picture("PNG")
    image = make_image(content=content)
    location = locate_original(image)
    assert (location.storage_alias, location.name) == (ORIGINALS, image.storage_name)
    assert location.length == len(content)
    assert read(location) == content


# --- ancestors --------------------------------------------------------------------------------


@pytest.fixture
def sources_read(monkeypatch):
    """(format, width) of everything that was rendered from."""
    seen, render = [], BoundedEngine.render

    def noted(self, source, outputs, **kwargs):
        content = source.read()
        seen.append((kwargs["source_format"], opened(content).width))
        return render(self, source, outputs, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", noted)
    return seen


def rung(width, image_format):
    return get_settings().presets["ladder"].spec(width, image_format)


@pytest.mark.parametrize(
    ("original", "stored", "wanted", "expected"),
    [
        ("JPEG", [(1280, "jpeg"), (2048, "jpeg")], rung(320, "webp"), ("jpeg", 1280)),
        ("JPEG", [(1280, "avif")], rung(320, "webp"), ("avif", 1280)),
        ("JPEG", [(1280, "webp")], rung(320, "webp"), ("jpeg", 2500)),  # loses too much
        ("JPEG", [(1280, "jpeg")], rung(640, "webp"), ("jpeg", 2500)),  # only twice as wide
        ("JPEG", [(2048, "jpeg")], rung(640, "jpeg"), ("jpeg", 2048)),
        ("PNG", [(1280, "jpeg")], rung(320, "webp"), ("png", 2500)),  # might be transparent
        ("PNG", [(1280, "avif")], rung(320, "webp"), ("avif", 1280)),
        ("JPEG", [(2048, "jpeg")], rung(1280, "jpeg"), ("jpeg", 2500)),
        ("JPEG", [], rung(320, "jpeg"), ("jpeg", 2500)),
    ],
)
def test_ancestor__is_the_smallest_that_is_enough(
    make_image, sources_read, original, stored, wanted, expected
):
    image = make_image(image_format=original, size=(2500, 1700))
    make_renditions(image, [rung(*each) for each in stored])
    sources_read.clear()
    location = locate_rendition(image, wanted)
    assert sources_read == [expected]
    assert opened(read(location)).size == wanted.output_size(2500, 1700)


def test_ancestor__serves_crops_where_the_focal_point_is(make_image, spec, sources_read):
    image = make_image(size=(2500, 1700), fields={"focal_x": 1.0, "focal_y": 1.0})
    make_renditions(image, [rung(2048, "jpeg")])
    sources_read.clear()
    shown = opened(read(locate_rendition(image, spec)))
    assert sources_read == [("jpeg", 2048)]
    assert shown.size == (320, 320)
    assert shown.getpixel((310, 310))[2] > 150  # the lower right quarter of every test picture


def test_ancestor__a_crop_or_a_poor_one_is_none(make_image, settings, sources_read):
    settings.IMAGES_APP = {
        "PRESETS": {
            "crop": {"fit": "cover", "width": 2000, "height": 1600, "formats": ["jpeg"]},
            "poor": {"width": 2000, "formats": ["jpeg"], "quality": {"jpeg": 20}},
        }
    }
    image = make_image(size=(2500, 1700))
    presets = get_settings().presets
    make_renditions(image, [presets["crop"].spec(2000, "jpeg"), presets["poor"].spec(2000, "jpeg")])
    sources_read.clear()
    locate_rendition(image, rung(320, "webp"))
    assert sources_read == [("jpeg", 2500)]


def test_ancestor__of_another_version_is_none(make_image, sources_read):
    image = make_image(size=(2500, 1700))
    make_renditions(image, [rung(2048, "jpeg")])
    image.focal_x = 0.1
    image.save()
    sources_read.clear()
    locate_rendition(image, rung(320, "jpeg"))
    assert sources_read == [("jpeg", 2500)]


def test_ancestor__that_has_lost_its_bytes_is_passed_over(make_image, sources_read):
    image = make_image(size=(2500, 1700))
    make_renditions(image, [rung(2048, "jpeg")])
    storages[RENDITIONS].delete(Rendition.objects.get().storage_name)
    sources_read.clear()
    locate_rendition(image, rung(320, "jpeg"))
    assert sources_read == [("jpeg", 2500)]


def test_ancestor__of_an_animation_is_none(make_image, sources_read):
    frames = [PillowImage.new("RGB", (1300, 900), color) for color in ("red", "blue")]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=100)
    image = make_image(content=target.getvalue())
    ladder = get_settings().presets["ladder"]
    moving = [ladder.spec(width, "webp", is_animated=True) for width in (320, 1280)]
    locate_rendition(image, moving[1])
    locate_rendition(image, moving[0])
    assert sources_read == [("gif", 1300)] * 2


@pytest.mark.parametrize("length", [0, 500])
def test_ancestor__that_is_damaged_is_passed_over(make_image, private_folder, length):
    image = make_image(size=(2500, 1700))
    make_renditions(image, [rung(2048, "jpeg")])
    path = private_folder / "renditions" / Rendition.objects.get().storage_name
    path.write_bytes(path.read_bytes()[:length])
    location = locate_rendition(image, rung(320, "jpeg"))
    assert opened(read(location)).size == (320, 218)


def test_image__that_is_gone_at_the_lease_is_gone(make_image, spec):
    image = make_image()
    Image.objects.filter(pk=image.pk).delete()
    with pytest.raises(BytesGone):
        locate_rendition(image, spec)


def test_several__that_cannot_be_cleaned_up_fail_as_what_failed_first(make_image, monkeypatch):
    image, saves = make_image(size=(1400, 900)), []
    save = storages[RENDITIONS].save

    def fail_late(*args, **kwargs):
        saves.append(args)
        if len(saves) > 2:
            raise OSError("/secret/path")
        return save(*args, **kwargs)

    monkeypatch.setattr(storages[RENDITIONS], "save", fail_late)
    monkeypatch.setattr(storages[RENDITIONS], "delete", failing(OSError("down")))
    with pytest.raises(StorageUnavailable):
        make_renditions(image, specs_for(image, [get_settings().presets["ladder"]]))
    assert not Rendition.objects.exists()


def test_several__whose_rows_another_has_written_keep_their_bytes(
    make_image, monkeypatch, rendition_files
):
    """The lease ran out, and who took over was quicker."""
    image, saves = make_image(size=(1400, 900)), []
    save = storages[RENDITIONS].save
    specs = [rung(320, "jpeg"), rung(640, "jpeg")]
    other = Rendition(
        image=image,
        version=1,
        fingerprint=specs[0].fingerprint(get_engine().output_version),
        format="jpeg",
        width=320,
        height=206,
        byte_size=1,
        storage_alias=RENDITIONS,
    )

    def fail_late(*args, **kwargs):
        saves.append(args)
        if len(saves) > 1:
            other.save()
            raise OSError
        return save(*args, **kwargs)

    monkeypatch.setattr(storages[RENDITIONS], "save", fail_late)
    with pytest.raises(StorageUnavailable):
        make_renditions(image, specs)
    assert rendition_files() == [other.storage_name]


# --- small renditions in a cache ----------------------------------------------------------------


@pytest.fixture
def kept(settings):
    """A cache that keeps small renditions; answers with how to look into it."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.IMAGES_APP = {"RENDITION_CACHE": "default"}
    caches["default"].clear()
    return caches["default"]


def test_cache__spares_the_storage(make_image, spec, kept, monkeypatch):
    image = make_image()
    content = locate_rendition(image, spec).in_memory()
    assert content == read(locate_rendition(image, spec))
    for name in ("open", "size", "exists"):
        monkeypatch.setattr(storages[RENDITIONS], name, failing(OSError("far away")))
    assert locate_rendition(image, spec).in_memory() == content


def test_cache__keeps_nothing_large_and_no_originals(make_image, spec, kept, settings):
    image = make_image()
    length = locate_rendition(image, spec).length
    assert locate_original(image).in_memory is None
    settings.IMAGES_APP = {"RENDITION_CACHE": "default", "RENDITION_CACHE_MAX_BYTES": length - 1}
    assert locate_rendition(image, spec).in_memory is None
    settings.IMAGES_APP = {"RENDITION_CACHE": "default", "RENDITION_CACHE_MAX_BYTES": length}
    assert len(locate_rendition(image, spec).in_memory()) == length


def test_cache__is_no_way_around_a_missing_or_damaged_entry(make_image, spec, kept):
    image = make_image()
    location = locate_rendition(image, spec)
    content = location.in_memory()
    key = f"images_app.rendition:{location.name}"
    for entry in (content[:-1], b"", None):
        kept.set(key, entry)
        assert location.in_memory() == content
        assert kept.get(key) == content


def test_cache__never_keeps_a_file_of_another_length(make_image, spec, kept, monkeypatch):
    image = make_image()
    location = locate_rendition(image, spec)
    key = f"images_app.rendition:{location.name}"
    Path(storages[RENDITIONS].path(location.name)).write_bytes(b"short")
    unable = SimpleNamespace(read=lambda size: b"short", close=lambda: None)  # to tell its length
    with monkeypatch.context() as patched:
        patched.setattr(storages[RENDITIONS], "open", lambda *args: unable)
        with pytest.raises(StorageUnavailable):
            location.in_memory()
    assert kept.get(key) is None
    content = location.in_memory()  # made again
    assert len(content) == location.length
    assert kept.get(key) == content


def test_cache__that_is_away_is_done_without(make_image, spec, kept, monkeypatch, caplog):
    image = make_image()
    content = read(locate_rendition(image, spec))
    for name in ("get", "set"):
        monkeypatch.setattr(type(kept), name, failing(ConnectionError("redis")))
    assert locate_rendition(image, spec).in_memory() == content
    assert locate_unrecorded(image.public_id, 1, spec) is not None
    assert "code=cache_unavailable" in caplog.text


def test_cache__of_a_storage_that_breaks_while_it_is_read(make_image, spec, kept, monkeypatch):
    image = make_image()
    location = locate_rendition(image, spec)
    broken = SimpleNamespace(read=failing(OSError("cut")), close=lambda: None)
    monkeypatch.setattr(storages[RENDITIONS], "open", lambda *args: broken)
    with pytest.raises(StorageUnavailable):
        location.in_memory()


def test_unrecorded__is_found_by_its_name_alone(make_image, spec, kept, monkeypatch, settings):
    image = make_image()
    assert locate_unrecorded(image.public_id, 1, spec) is None
    content = read(locate_rendition(image, spec))
    assert read(locate_unrecorded(image.public_id, 1, spec)) == content
    assert locate_unrecorded(image.public_id, 1, spec).in_memory() == content
    # From here on it is in the cache, and a storage that is far away is spared.
    monkeypatch.setattr(locating, "has_local_paths", lambda storage: False)
    monkeypatch.setattr(storages[RENDITIONS], "size", failing(OSError("far away")))
    assert locate_unrecorded(image.public_id, 1, spec).length == len(content)
    settings.IMAGES_APP = {}
    assert locate_unrecorded(image.public_id, 1, spec) is None  # the record knows


# --- watermarks -------------------------------------------------------------------------------


@pytest.fixture
def marks(settings):
    """Two watermarks, one of them on all that those see whose best level is preview or view."""
    settings.IMAGES_APP = {
        "WATERMARKS": {
            "proof": {"text": "PROOF", "opacity": 100},
            "other": {"text": "Other", "opacity": 100},
        },
        "WATERMARK_LEVELS": {"preview": "proof", "view": "proof"},
        "SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"},
    }
    return get_settings().watermarks


def seen_by(level, **values):
    image = Image(public_id=uuid.uuid4(), version=1, width=3000, height=2000, format="jpeg")
    for name, value in {"viewer_level": level, **values}.items():
        setattr(image, name, value)
    return image


def name_of_mark(url):
    """What a URL is marked with, and whether it is signed."""
    path, _, signature = url.partition("?")
    return resolve(path.rpartition("/")[2]).watermark, bool(signature)


@pytest.mark.parametrize(
    ("level", "values", "expected"),
    [
        (Level.PREVIEW, {}, "proof"),
        (Level.VIEW, {}, "proof"),
        (Level.ORIGINAL, {}, ""),
        (Level.ORIGINAL, {"viewer_watermark": "other"}, "other"),
        (Level.VIEW, {"viewer_watermark": "other"}, "other"),
        (Level.VIEW, {"viewer_watermark": ""}, ""),
        (Level.VIEW, {"viewer_watermark": None}, "proof"),
    ],
)
def test_watermark__is_the_one_that_the_viewer_is_held_to(marks, level, values, expected):
    image = seen_by(level, **values)
    assert known_watermark(image) == expected
    preset = get_settings().presets["ladder" if level >= Level.VIEW else "thumb"]
    urls = {source.url for source in signed_sources(image, preset)}
    assert {name_of_mark(url) for url in urls} == {(expected, True)}
    assert name_of_mark(rendition_url(image, preset.name)) == (expected, False)
    assert name_of_mark(rendition_url(image, preset.name, sign=True)) == (expected, True)
    assert len(urls) == len(sources(image, preset))


def test_watermark__of_an_image_that_nobody_asked_about_is_none_unless_signed(marks):
    image = seen_by(Level.VIEW)
    del image.viewer_level
    assert name_of_mark(rendition_url(image, "ladder")) == ("", False)
    assert name_of_mark(rendition_url(image, "ladder", watermark="other")) == ("other", False)
    for ask in (known_watermark, lambda image: rendition_url(image, "ladder", sign=True)):
        with pytest.raises(ValueError, match="level is not known"):
            ask(image)
    image.viewer_watermark = "other"  # somebody has asked for that
    assert name_of_mark(rendition_url(image, "ladder")) == ("other", False)


@pytest.mark.parametrize(
    ("level", "watermark", "is_signed"),
    [
        (Level.VIEW, "proof", True),
        (Level.VIEW, "", False),
        (Level.VIEW, "other", False),
        (Level.ORIGINAL, "", True),
        (Level.ORIGINAL, "proof", True),
        (Level.PREVIEW, "proof", False),
    ],
)
def test_watermark__what_the_viewer_may_not_have_is_never_signed(
    marks, level, watermark, is_signed
):
    url = rendition_url(seen_by(level), "ladder", watermark=watermark, sign=True)
    assert name_of_mark(url) == (watermark, is_signed)


def test_watermark__that_is_unknown_is_a_key_error(marks):
    image, preset = seen_by(Level.VIEW), get_settings().presets["ladder"]
    for ask in (
        lambda: rendition_url(image, "ladder", watermark="none"),
        lambda: rendition_url(image, "ladder", watermark="none", sign=True),
        lambda: sources(image, preset, "none"),
    ):
        with pytest.raises(KeyError, match="none"):
            ask()


def test_watermark__changes_nothing_of_what_is_not_marked(marks, settings):
    image, ladder = seen_by(Level.ORIGINAL), get_settings().presets["ladder"]
    before = sources(image, ladder)
    marked = sources(image, ladder, "proof")
    assert not {source.url for source in before} & {source.url for source in marked}
    assert [(s.width, s.format) for s in before] == [(s.width, s.format) for s in marked]
    settings.IMAGES_APP = {}
    assert sources(image, ladder) == before


@pytest.mark.parametrize(
    ("levels", "preset", "expected"),
    [
        ({}, "ladder", [""]),
        ({"view": "proof"}, "ladder", ["", "proof"]),
        ({"preview": "proof"}, "ladder", [""]),  # who may only preview gets none of it
        ({"preview": "proof"}, "thumb", ["", "proof"]),
        ({"preview": "proof", "view": "other"}, "thumb", ["", "proof", "other"]),
        ({"preview": "proof", "view": "proof"}, "thumb", ["", "proof"]),
    ],
)
def test_watermark__specs_are_those_of_the_levels_in_use(marks, settings, levels, preset, expected):
    settings.IMAGES_APP = {**settings.IMAGES_APP, "WATERMARK_LEVELS": levels}
    image, found = seen_by(Level.VIEW), get_settings()
    specs = specs_for(image, [found.presets[preset]])
    plain = len(sources(image, found.presets[preset]))
    assert len(specs) == len(set(specs)) == plain * len(expected)
    wanted = [None, *(found.watermarks[name] for name in expected[1:])]
    assert list(dict.fromkeys(spec.watermark for spec in specs)) == wanted


def test_watermark__is_drawn_on_what_is_made(make_image, marks):
    image = make_image(size=(800, 600))
    ladder = get_settings().presets["ladder"]
    assert make_renditions(image, specs_for(image, [ladder])) == 2 * len(sources(image, ladder))
    plain, marked = (
        opened(read(locate_rendition(image, ladder.spec(640, "jpeg", watermark=mark))))
        for mark in (None, marks["proof"])
    )
    assert plain.size == marked.size
    part = (0, 0, 300, 200)  # one colour
    assert all(high - low < 10 for low, high in plain.crop(part).getextrema())
    assert all(high - low > 100 for low, high in marked.crop(part).getextrema()[1:])


def test_watermark__is_made_for_the_rungs_that_there_are(make_image, marks):
    ladder = get_settings().presets["ladder"]
    image = make_image(size=(500, 400))
    for source in sources(image, ladder, "proof"):
        meaning = resolve(source.url.rpartition("/")[2])
        assert meaning.watermark == "proof"
        assert is_made_for(image, meaning)
    beyond = sources(seen_by(Level.VIEW), ladder, "proof")[-1]
    assert not is_made_for(image, resolve(beyond.url.rpartition("/")[2]))


def test_ancestor__that_is_marked_is_none(make_image, marks, sources_read):
    image = make_image(size=(2500, 1700))
    ladder = get_settings().presets["ladder"]
    large = ladder.spec(2048, "jpeg", watermark=marks["proof"])
    make_renditions(image, [large])
    sources_read.clear()
    # Neither for what is unmarked, nor for what is: the mark would be there twice.
    for mark in (None, marks["proof"], marks["other"]):
        locate_rendition(image, ladder.spec(320, "jpeg", watermark=mark))
    assert sources_read == [("jpeg", 2500)] * 3


def test_ancestor__that_is_unmarked_serves_what_is_marked(make_image, marks, sources_read):
    image = make_image(size=(2500, 1700))
    make_renditions(image, [rung(2048, "jpeg")])
    sources_read.clear()
    ladder = get_settings().presets["ladder"]
    small = opened(
        read(locate_rendition(image, ladder.spec(320, "jpeg", watermark=marks["proof"])))
    )
    assert sources_read == [("jpeg", 2048)]
    assert all(high - low > 100 for low, high in small.crop((0, 0, 150, 100)).getextrema()[1:])
