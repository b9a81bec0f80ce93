"""Another file for an image, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt

from images_app.admin.common import admin_url
from images_app.exceptions import ImagesAppError
from images_app.replacing import replace_original
from images_app.uploads import gated

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class ReplaceForm(forms.Form):
    """The new file."""

    file = forms.FileField(label=gettext_lazy("File"), allow_empty_file=True)


class ReplaceMixin(_ModelAdmin):
    """Adds the page to the admin of images."""

    def get_urls(self) -> list[Any]:
        """Add the page's URL."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_replace"
        view = self.admin_site.admin_view(self.replace_view)
        return [path("<path:object_id>/replace/", view, name=name), *super().get_urls()]

    @method_decorator(csrf_exempt)  # which would read the body; the gate checks within
    def replace_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask for a file, and put it in the place of the former one."""
        image: Any = self.get_object(request, unquote(object_id))
        if image is None:
            missing: Any = self._get_obj_does_not_exist_redirect  # type: ignore[attr-defined]
            return cast(HttpResponseBase, missing(request, self.opts, object_id))
        if not self.has_change_permission(request, image):
            raise PermissionDenied
        return self._ask(request, image)

    @gated()
    def _ask(self, request: HttpRequest, image: Any) -> HttpResponseBase:
        form = ReplaceForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid() and self._replace(request, image, form):
            change = admin_url(self.admin_site, self.model, "change", image.pk)
            return HttpResponseRedirect(change)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": image,
            "title": _("Replace the file"),
            "form": form,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/images_app/replace.html", context)

    def _replace(self, request: HttpRequest, image: Any, form: ReplaceForm) -> bool:
        try:
            replace_original(image, form.cleaned_data["file"])
        except ImagesAppError as error:
            form.add_error("file", _(error.public_message) % error.params)
            return False
        except ObjectDoesNotExist:
            form.add_error(None, _("The image was deleted meanwhile."))
            return False
        self.log_change(request, image, [{"changed": {"fields": [_("file")]}}])
        messages.success(request, _("The file was replaced. Former addresses lead nowhere now."))
        return True
