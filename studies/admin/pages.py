"""What the desk's own pages share: the frame around them, and finding the row they are about."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse


def page(
    admin: ModelAdmin, request: HttpRequest, template: str, *, title: str, status: int = 200, **context: Any
) -> TemplateResponse:
    """A page of the admin; `original` in the context is the row its breadcrumbs lead to."""
    request.current_app = admin.admin_site.name
    frame = admin.admin_site.each_context(request)
    return TemplateResponse(request, template, {**frame, "opts": admin.opts, "title": title, **context}, status=status)


class Findable:
    """For a ModelAdmin: what somebody may not see is not found, as if it were not there."""

    def _found(self, request: HttpRequest, object_id: str) -> None:
        found = self.get_object(request, unquote(object_id))
        if found is None or not self.has_view_or_change_permission(request, found):
            raise Http404

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        self._found(request, object_id)
        return super().change_view(request, object_id, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        self._found(request, object_id)
        return super().delete_view(request, object_id, *args, **kwargs)

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        self._found(request, object_id)
        return super().history_view(request, object_id, *args, **kwargs)


def get_object_or_404_for(admin: ModelAdmin, request: HttpRequest, pk: int, permission: str) -> Model:
    """The row with that id, for somebody who may "view", "change" or "share" it; what they do not see is not found."""
    found = get_object_or_404(admin.get_queryset(request), pk=pk)
    if not admin.has_view_permission(request, found):
        raise Http404
    if not getattr(admin, f"has_{permission}_permission")(request, found):
        raise PermissionDenied
    return found


def as_sentence(error: Exception | str) -> str:
    """One line, as a page says it."""
    line = str(error).rstrip(".")
    return f"{line[:1].upper()}{line[1:]}."
