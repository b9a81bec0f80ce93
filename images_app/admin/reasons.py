"""The reasons that a policy gives, in words, for a member of staff who may not know everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from images_app.access import Access, Level, Right, Viewer
from images_app.admin.relations import known_rows
from images_app.models import Gallery, Grant, ShareLink
from images_app.policies import Reason
from images_app.views.authorise import viewer_of, visible_galleries

NAMES: dict[Access, Any] = {
    **{Level(choice.value): choice.label for choice in Grant.LevelChoices},
    **{Right(choice.value): choice.label for choice in Grant.RightChoices},
}


def explainer(policy: Any) -> Callable[[Viewer, Any], Iterable[Reason]] | None:
    """Answer with the policy's ``explain``, None where it has none that goes with its rule.

    One that was inherited along with another rule would tell what is not so.
    """
    rule = {"images", "galleries"}
    if not rule.isdisjoint(vars(policy)) and "explain" not in vars(policy):
        return None
    for cls in type(policy).__mro__:
        if "explain" in vars(cls):
            found: Callable[[Viewer, Any], Iterable[Reason]] = policy.explain
            return found
        if not rule.isdisjoint(vars(cls)):
            return None
    return None


def in_words(request: HttpRequest, reasons: Iterable[Reason], obj: Any) -> list[str]:
    """Put each reason into a sentence; of galleries that this user may not see, no name is told.

    Args:
        request: who reads them.
        reasons: why somebody reaches ``obj``.
        obj: a gallery or an image.

    """
    reasons = list(reasons)
    keys = [reason.gallery.pk for reason in reasons if reason.gallery is not None]
    seen = visible_galleries(viewer_of(request), annotate=False).filter(pk__in=keys)
    known = set(seen.values_list("pk", flat=True))
    return [_sentence(request, reason, _thing(reason, obj, known)) for reason in reasons]


@dataclass(frozen=True, kw_only=True)
class _Thing:
    """What somebody owns, was granted, or was sent a link to."""

    name: str
    is_known: bool = True
    visibility: str = ""


def _thing(reason: Reason, obj: Any, known: set[Any]) -> _Thing:
    gallery: Any = reason.gallery
    if gallery is None:
        if isinstance(obj, Gallery):
            return _Thing(name=_("this gallery"), visibility=obj.get_visibility_display())
        return _Thing(name=_("this image"))
    if gallery.pk not in known:
        return _Thing(name=_("a gallery that you may not see"), is_known=False)
    name = _("the gallery “%(title)s”") % {"title": gallery}
    return _Thing(name=name, visibility=gallery.get_visibility_display())


def _sentence(request: HttpRequest, reason: Reason, thing: _Thing) -> str:
    values = {"access": NAMES[reason.access], "way": _way(request, reason, thing)}
    ends_at = getattr(reason.through, "ends_at", None) if thing.is_known else None
    if ends_at is None:
        return _("%(access)s – %(way)s") % values
    here = timezone.localtime(ends_at) if timezone.is_aware(ends_at) else ends_at
    end = date_format(here, "DATETIME_FORMAT")
    return _("%(access)s – %(way)s, until %(end)s") % {**values, "end": end}


def _way(request: HttpRequest, reason: Reason, thing: _Thing) -> str:
    values = {"thing": thing.name, "way": reason.way, "visibility": thing.visibility}
    if reason.way == "staff":
        return _("as staff, by the model permissions")
    if reason.way == "owner":
        return _("as the owner of %(thing)s") % values
    if reason.way == "visibility":
        known = _("by the visibility of %(thing)s (%(visibility)s)")
        return (known if thing.visibility else _("by the visibility of %(thing)s")) % values
    if reason.way == "grant":
        values |= {"holder": _holder(request, reason.through) if thing.is_known else ""}
        named = _("by a grant to %(holder)s on %(thing)s")
        return (named if values["holder"] else _("by a grant on %(thing)s")) % values
    if reason.way == "link":
        values |= {"note": _note(reason.through) if thing.is_known else ""}
        named = _("by the share link “%(note)s” to %(thing)s")
        return (named if values["note"] else _("by a share link to %(thing)s")) % values
    return _("%(way)s (%(thing)s)") % values  # a policy's own


def _holder(request: HttpRequest, grant: Any) -> str:
    """Name who was given a grant; of a group that this user may not know, that it is one."""
    if not isinstance(grant, Grant):
        return ""
    is_user = grant.user_id is not None
    holder: Any = grant.user if is_user else grant.group
    is_known = known_rows(request, type(holder)).filter(pk=holder.pk).exists()
    if is_user:
        return _("the user %(name)s") % {"name": holder} if is_known else _("a user")
    return _("the group %(name)s") % {"name": holder} if is_known else _("a group")


def _note(link: Any) -> str:
    return link.note if isinstance(link, ShareLink) else ""
