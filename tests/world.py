"""A small world of people and pictures, and one readable table of who may see what in it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.conf import get_settings
from images_app.ingest import ingest_image
from images_app.models import Gallery, Grant, ShareLink
from images_app.renditions import rendition_url
from images_app.sharing import change_password, create_link, revoke_link
from tests.pictures import upload

NONE, PREVIEW, VIEW, ORIGINAL = None, Level.PREVIEW, Level.VIEW, Level.ORIGINAL

# Columns: an image in a private gallery, in one for members, in a public one; in both the private
# and the public one; in no gallery; in none, but the cover of the public one; of nobody's, in a
# private gallery of nobody's; in the trash though its gallery is public; and one that never was.
# (The image of the public gallery is the cover of the private one, which changes nothing.)
# Grants are on the first three galleries, those of the image grantee on the images.
STATES = (
    "private",
    "members",
    "public",
    "twice",
    "loose",
    "cover",
    "nobody's",
    "trashed",
    "absent",
)
# fmt: off
IMAGE_LEVELS: dict[str, tuple[Level | None, ...]] = {
    "anonymous":     (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "stranger":      (NONE, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "inactive":      (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "previewer":     (PREVIEW, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "member":        (VIEW, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "group member":  (VIEW, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "downloader":    (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "changer":       (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "former member": (NONE, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "image grantee": (VIEW, VIEW, VIEW, VIEW, VIEW, VIEW, VIEW, NONE, NONE),
    "gallery owner": (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "image owner":   (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE),
    "plain staff":   (NONE, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "editor":        (*[ORIGINAL] * 7, NONE, NONE),
    "admin":         (*[ORIGINAL] * 7, NONE, NONE),
    # From here on, people with something besides a user and grants of a level: see LINKS.
    "sharer":        (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "link, preview": (PREVIEW, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, view":    (VIEW, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, original": (ORIGINAL, NONE, VIEW, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "link to images": (VIEW, NONE, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE),
    "link to another": (NONE, NONE, VIEW, VIEW, NONE, NONE, VIEW, NONE, NONE),
    "link, password": (VIEW, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, used up": (VIEW, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, other password": (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, expired": (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, revoked": (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, maker left": (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "stranger with link": (ORIGINAL, VIEW, VIEW, ORIGINAL, NONE, NONE, NONE, NONE, NONE),
    "link, then login": (VIEW, VIEW, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
    "link, then logout": (NONE, NONE, VIEW, VIEW, NONE, NONE, NONE, NONE, NONE),
}
# fmt: on
# Where the gallery's own level differs from that of the image in it.
GALLERY_EXCEPTIONS: dict[tuple[str, str], Level | None] = {
    ("image grantee", "private"): NONE,
    ("image grantee", "nobody's"): NONE,
    ("image owner", "private"): NONE,
    ("image owner", "members"): VIEW,
    ("image owner", "public"): VIEW,
    ("link to images", "private"): NONE,
}
# Who may share, which links never let: every gallery and image that is there, or these.
SHARES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # the galleries, the images
    "gallery owner": (("private", "members", "public"), ()),
    "sharer": (("private", "members", "public"), ()),
    "image owner": ((), ("private", "members", "public", "twice", "loose", "cover")),
    "editor": (("private", "members", "public", "nobody's"), STATES[:7]),
    "admin": (("private", "members", "public", "nobody's"), STATES[:7]),
}
# Who may change a gallery, which is also to add to it and to arrange it; and who an image.
CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "changer": (("private", "members", "public"), ()),
    **{viewer: SHARES[viewer] for viewer in ("gallery owner", "image owner", "editor", "admin")},
}
EVERYBODY = tuple(IMAGE_LEVELS)
VIEWERS = EVERYBODY[: EVERYBODY.index("admin") + 1]
GALLERY_STATES = ("private", "members", "public", "nobody's", "absent")
HANGS_IN = {
    "private": ("private",),
    "members": ("members",),
    "public": ("public",),
    "twice": ("private", "public"),
    "loose": (),
    "cover": (),
    "nobody's": ("nobody's",),
    "trashed": ("public",),
}
PASSWORD = "open sesame"


def image_level(viewer: str, state: str) -> Level | None:
    """What the table says."""
    return IMAGE_LEVELS[viewer][STATES.index(state)]


def gallery_level(viewer: str, state: str) -> Level | None:
    """What the table says."""
    return GALLERY_EXCEPTIONS.get((viewer, state), image_level(viewer, state))


def may_share(viewer: str, kind: str, state: str) -> bool:
    """What the table says, of a "gallery" or an "image"."""
    return _is_in(SHARES, viewer, kind, state)


def may_change(viewer: str, kind: str, state: str) -> bool:
    """What the table says, likewise."""
    return _is_in(CHANGES, viewer, kind, state)


def _is_in(
    table: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], viewer: str, kind: str, state: str
) -> bool:
    galleries, images = table.get(viewer, ((), ()))
    return state in (galleries if kind == "gallery" else images)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What somebody opened by share links, as whom, and what happened after that."""

    galleries: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    maker: str = "gallery owner"
    level: Level = Level.VIEW
    terms: tuple[tuple[str, Any], ...] = ()
    user: str = "anonymous"
    afterwards: Callable[[Client, ShareLink, World], Any] = lambda client, link, world: None


def _expire(client: Client, link: ShareLink, world: World) -> None:
    ShareLink.objects.filter(pk=link.pk).update(ends_at=timezone.now())


def _deactivate_maker(client: Client, link: ShareLink, world: World) -> None:
    type(link.created_by).objects.filter(pk=link.created_by_id).update(is_active=False)


_PRIVATE = ("private",)
LINKS = {
    "link, preview": Opened(galleries=_PRIVATE, level=Level.PREVIEW),
    "link, view": Opened(galleries=_PRIVATE),
    "link, original": Opened(galleries=_PRIVATE, level=Level.ORIGINAL),
    "link to images": Opened(images=("private", "loose", "trashed"), maker="image owner"),
    "link to another": Opened(galleries=("nobody's",), maker="editor"),
    "link, password": Opened(galleries=_PRIVATE, terms=(("password", PASSWORD),)),
    "link, used up": Opened(galleries=_PRIVATE, terms=(("max_views", 1),)),
    "link, other password": Opened(
        galleries=_PRIVATE,
        terms=(("password", PASSWORD),),
        # The same one once more: what counts is that somebody wanted it to be told anew.
        afterwards=lambda client, link, world: change_password(link, PASSWORD),
    ),
    "link, expired": Opened(galleries=_PRIVATE, afterwards=_expire),
    "link, revoked": Opened(
        galleries=_PRIVATE, afterwards=lambda client, link, world: revoke_link(link)
    ),
    "link, maker left": Opened(galleries=_PRIVATE, maker="sharer", afterwards=_deactivate_maker),
    "stranger with link": Opened(galleries=_PRIVATE, level=Level.ORIGINAL, user="stranger"),
    "link, then login": Opened(
        galleries=_PRIVATE,
        afterwards=lambda client, link, world: client.force_login(world.users["stranger"]),
    ),
    "link, then logout": Opened(
        galleries=_PRIVATE,
        user="stranger",
        afterwards=lambda client, link, world: client.logout(),
    ),
}
_USERS_OF_LINKS = {**{name: opened.user for name, opened in LINKS.items()}}
_USERS_OF_LINKS |= {"link, then login": "stranger", "link, then logout": "anonymous"}


@dataclass
class World:
    """The records by the names of the table."""

    users: dict[str, Any]
    images: dict[str, Any]
    galleries: dict[str, Any]

    def image_urls(self, state: str) -> dict[str, tuple[str, Level]]:
        """URL and least level of everything that belongs to one image; the same for the absent.

        A preset "auto" adds a URL whose format is negotiated.
        """
        image = self.images["private" if state == "absent" else state]
        thumb, ladder = rendition_url(image, "thumb"), rendition_url(image, "ladder")
        urls = {
            "page": (image.get_absolute_url(), PREVIEW),
            "thumb": (thumb, PREVIEW),
            "rendition": (rendition_url(image, "ladder", image_format="webp"), VIEW),
            "avif": (rendition_url(image, "ladder", image_format="avif"), VIEW),
            "jpeg": (ladder, VIEW),
            "original": (image.original_url, ORIGINAL),
            "download": (image.original_url + "?download", ORIGINAL),
            "thumb decision": (thumb.replace("/renditions/", "/decisions/"), PREVIEW),
            "decision": (ladder.replace("/renditions/", "/decisions/"), VIEW),
        }
        if "auto" in get_settings().presets:
            urls["negotiated"] = (rendition_url(image, "auto"), VIEW)
        if state == "absent":
            never = str(uuid.uuid4())
            mine = str(image.public_id)
            return {name: (url.replace(mine, never), level) for name, (url, level) in urls.items()}
        return urls

    def gallery_url(self, state: str) -> str:
        """The URL of a gallery's page."""
        return reverse("images_app:gallery", args=[self.public_id("gallery", state)])

    def links_url(self, kind: str, state: str) -> str:
        """The URL of the page for sharing a "gallery" or an "image"."""
        return reverse(f"images_app:{kind}_links", args=[self.public_id(kind, state)])

    def public_id(self, kind: str, state: str) -> uuid.UUID:
        """The public id of a "gallery" or an "image"; one of nothing for the absent."""
        rows = self.galleries if kind == "gallery" else self.images
        return uuid.uuid4() if state == "absent" else rows[state].public_id

    def user_of(self, viewer: str) -> Any:
        """As whom somebody is logged in, in the end."""
        return self.users[_USERS_OF_LINKS.get(viewer, viewer)]

    def log_in(self, client: Any, viewer: str) -> None:
        """Make a client the viewer's, who opens their links by the real URL."""
        self.open_as(client, LINKS.get(viewer) or Opened(user=viewer))

    def open_as(self, client: Any, opened: Opened) -> None:
        """Log in, and open links."""
        user = self.users[opened.user]
        if not isinstance(user, AnonymousUser):
            client.force_login(user)
        if opened.galleries or opened.images:
            self._open(client, opened)

    def share(self, opened: Opened, subject: Any) -> tuple[ShareLink, str]:
        """Make one of the links: (link, token)."""
        maker = Viewer(user=self.users[opened.maker])
        return create_link(maker, subject, level=opened.level, **dict(opened.terms))

    def _open(self, client: Any, opened: Opened) -> None:
        subjects = [self.galleries[name] for name in opened.galleries]
        subjects += [self.images[name] for name in opened.images]
        image, trashed = type(self.images["trashed"]), self.images["trashed"].pk
        # Nobody shares what is in the trash: it was shared, and opened, before.
        image.objects.filter(pk=trashed).update(trashed_at=None)
        for subject in subjects:
            link, token = self.share(opened, subject)
            url = reverse("images_app:shared", args=[token])
            answer = client.post(url, {"password": PASSWORD})
            assert (answer.status_code, answer["Location"]) == (302, subject.get_absolute_url())
            opened.afterwards(client, link, self)
        image.objects.filter(pk=trashed).update(trashed_at=timezone.now())


def make_world() -> World:
    """Make people, galleries, images and grants."""
    users = _make_users()
    galleries, images = {}, {}
    for state in GALLERY_STATES[:-1]:
        galleries[state] = Gallery.objects.create(
            title=f"{state} gallery",
            visibility="private" if state == "nobody's" else state,
            owner=None if state == "nobody's" else users["gallery owner"],
        )
    for state, names in HANGS_IN.items():
        owner = None if state == "nobody's" else users["image owner"]
        images[state] = ingest_image(upload(f"{state}.jpg"), owner=owner, title=state)
        for name in names:
            galleries[name].append(images[state])
    type(images["trashed"]).objects.filter(pk=images["trashed"].pk).update(
        trashed_at=timezone.now()
    )
    Gallery.objects.filter(pk=galleries["public"].pk).update(cover=images["cover"])
    Gallery.objects.filter(pk=galleries["private"].pk).update(cover=images["public"])
    for state in ("private", "members", "public"):
        _grant_on(galleries[state], users)
    for image in images.values():
        Grant.objects.create(image=image, user=users["image grantee"], level=VIEW)
    return World(users=users, images=images, galleries=galleries)


def _make_users() -> dict[str, Any]:
    model = get_user_model()
    users: dict[str, Any] = {
        name: model(username=name.replace(" ", "-"))
        for name in (*VIEWERS, "sharer")
        if name != "anonymous"
    }
    for name in ("plain staff", "editor", "admin"):
        users[name].is_staff = True
    users["admin"].is_superuser = True
    users["inactive"].is_active = False
    for user in users.values():
        user.save()
    users["editor"].user_permissions.set(
        Permission.objects.filter(content_type__app_label="images_app")
    )
    users["group member"].groups.set([Group.objects.create(name="members")])
    users["anonymous"] = AnonymousUser()
    return users


def _grant_on(gallery: Gallery, users: dict[str, Any]) -> None:
    give = Grant.objects.create
    tomorrow = timezone.now() + timedelta(days=1)
    give(gallery=gallery, user=users["previewer"], level=PREVIEW)
    give(gallery=gallery, user=users["member"], level=VIEW, ends_at=tomorrow)
    give(gallery=gallery, group=Group.objects.get(), level=VIEW)
    give(gallery=gallery, user=users["downloader"], level=ORIGINAL)
    give(gallery=gallery, user=users["changer"], right="change")
    give(gallery=gallery, user=users["sharer"], right="share")
    give(gallery=gallery, user=users["inactive"], level=ORIGINAL)
    give(
        gallery=gallery,
        user=users["former member"],
        level=ORIGINAL,
        ends_at=timezone.now() - timedelta(seconds=1),
    )
