"""Why may X see this? The answer of the policy itself, for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from images_app.access import UnlockedLink, Viewer
from images_app.admin.reasons import NAMES, explainer, in_words
from images_app.admin.relations import known_rows
from images_app.choices import FewChoicesField
from images_app.conf import get_policy, watermark_of
from images_app.models import Gallery, GalleryItem, ShareLink
from images_app.sharing import shared_by
from images_app.views.authorise import is_reachable, viewer_of, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class LinkField(FewChoicesField):
    """A share link, by what it shows and for whom; one that is not offered, by its page."""

    more_text = gettext_lazy(
        "Only the newest %(number)d are offered. The pages of the others, among all share links, "
        "lead here."
    )

    def label_from_instance(self, obj: Any) -> str:
        """Answer with the words of one choice."""
        return f"{obj.subject}: {obj.note or obj.get_level_display()}"


class WhyForm(forms.Form):
    """Whom to ask about."""

    user = forms.CharField(
        label=gettext_lazy("User name"),
        required=False,
        help_text=gettext_lazy("Empty: somebody who is not logged in."),
    )
    link = LinkField(
        queryset=ShareLink.objects.none(),
        required=False,
        to_field_name="public_id",
        label=gettext_lazy("With the share link"),
        empty_label=gettext_lazy("none"),
    )

    def __init__(self, *args: Any, users: Any, links: Any, **kwargs: Any) -> None:
        """Take whom and what may be asked about."""
        super().__init__(*args, **kwargs)
        self._users = users
        link = self.fields["link"]
        assert isinstance(link, forms.ModelChoiceField)  # noqa: S101 (for the type checker)
        link.queryset = links

    def clean_user(self) -> Any:
        """Find the user among those that may be known."""
        name, model = self.cleaned_data["user"], self._users.model
        if not name:
            return AnonymousUser()
        found = self._users.filter(**{model.USERNAME_FIELD: name}).first()
        if found is None:
            raise forms.ValidationError(_("There is no such user, or you may not know of them."))
        return found


class WhyMixin(_ModelAdmin):
    """Adds the page to an admin of galleries or images."""

    change_form_template = "admin/images_app/change_form_with_why.html"

    def get_urls(self) -> list[Any]:
        """Add the page's URL."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_why"
        view = self.admin_site.admin_view(require_safe(self.why_view))
        return [
            path("<path:object_id>/why/", view, name=name),
            *super().get_urls(),
        ]

    def why_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Answer for one viewer what they may do with one row, and by which ways."""
        obj: Any = self.get_object(request, unquote(object_id))
        if obj is None:
            missing: Any = self._get_obj_does_not_exist_redirect  # type: ignore[attr-defined]
            return cast(HttpResponseBase, missing(request, self.opts, object_id))
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        form = WhyForm(
            request.GET or None,
            users=known_rows(request, get_user_model()),
            links=_links_to(obj, request),
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": _("Why may they see this?"),
            "form": form,
            **(_answer(request, form, obj) if form.is_valid() else {}),
        }
        return TemplateResponse(request, "admin/images_app/why.html", context)


def _links_to(obj: Any, request: HttpRequest) -> Any:
    """Answer with the live links to a row, or to where it hangs, as far as this user shares it."""
    links = shared_by(viewer_of(request))
    if isinstance(obj, Gallery):
        return links.filter(gallery=obj)
    galleries = GalleryItem.objects.filter(image=obj.pk).values("gallery")
    return links.filter(Q(image=obj.pk) | Q(gallery__in=galleries))


def _answer(request: HttpRequest, form: WhyForm, obj: Any) -> dict[str, Any]:
    viewer = _viewer(form)
    user: Any = viewer.user
    explain = explainer(get_policy())
    return {
        "name": user.get_username(),
        "is_inactive": user.is_authenticated and not viewer.is_authenticated,
        "accesses": [(NAMES[each], is_reachable(obj, viewer, each)) for each in NAMES],
        "has_reasons": explain is not None,
        "reasons": in_words(request, explain(viewer, obj), obj) if explain else [],
        "watermark": _watermark(viewer, obj),
    }


def _viewer(form: WhyForm) -> Viewer:
    link = form.cleaned_data["link"]
    known = (
        UnlockedLink(id=link.pk, password_version=link.password_version, watermark=link.watermark)
        if link
        else None
    )
    return Viewer(user=form.cleaned_data["user"], links=(known,) if known else ())


def _watermark(viewer: Viewer, obj: Any) -> str:
    """Name the mark that an image bears for this viewer."""
    if isinstance(obj, Gallery):
        return ""
    seen = visible_images(viewer).filter(pk=obj.pk).first()
    if seen is None:
        return ""
    return getattr(seen, "viewer_watermark", None) or watermark_of(seen.viewer_level)
