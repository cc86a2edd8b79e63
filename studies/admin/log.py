"""The logs of studies, image sets and classifiers: what was done to them, by whom and when; the page, and the file."""

from typing import Any

from django.contrib import admin as django_admin
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator
from unfold.admin import ModelAdmin

from studies import protocols
from studies.designs.choices import catalogue
from studies.export.log_csv import write_csv
from studies.models import Access, Event, Study

from .format import format_value
from .pages import Findable, get_object_or_404_for, page

LINES = 100
LONGEST = 120


def log(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    study = get_object_or_404_for(admin, request, pk, "view")
    context = {"study": study, "original": study, **_lines(request, study.events, labels(study))}
    return page(admin, request, "admin/studies/study/log.html", title="Log", **context)


def _lines(request: HttpRequest, events: QuerySet[Event], names: dict[str, str]) -> dict[str, Any]:
    lines = Paginator(events.order_by("-at", "-pk"), LINES).get_page(request.GET.get("p"))
    return {"lines": lines, "told": [{"event": event, "details": details(event, names)} for event in lines]}


class Logged:
    """For a ModelAdmin: the history is of our own log.  `events` has those of a row."""

    def events(self, row: Any) -> QuerySet[Event]:
        raise NotImplementedError

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        found = self.get_object(request, unquote(object_id))
        context = {"original": found, **_lines(request, self.events(found), {})}
        return page(self, request, "admin/studies/log.html", title="Log", **context)


def download(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The whole log as CSV."""
    study = get_object_or_404_for(admin, request, pk, "view")
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-log.csv"'}
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    write_csv(study.events.all(), response)
    return response


def labels(study: Study) -> dict[str, str]:
    """Settings as their form calls them."""
    fields = protocols.get(study.protocol).form(catalogue=catalogue()).fields
    return {name: str(field.label or _title(name)) for name, field in fields.items()}


def details(event: Event, names: dict[str, str]) -> list[tuple[str, str]]:
    """What a line of the log says besides: name and value, a changed setting as before → after."""
    found: list[tuple[str, str]] = []
    for name, value in event.details.items():
        if name == "changes":
            told = format_value if event.what == Event.What.AMENDED else _change
            found += [(names.get(one, _title(one)), told(change)) for one, change in value.items()]
        elif name == "may":
            found.append(("They may", Access(value).label))
        elif name != "design" and value is not None:
            found.append((_title(name), format_value(value)))
    return found


def _change(pair: list[Any]) -> str:
    """Before and after; of a long text its beginnings, the file has all of it."""
    return " → ".join(Truncator(format_value(value)).chars(LONGEST) for value in pair)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


@django_admin.register(Event)
class EventAdmin(Findable, ModelAdmin):
    """All logs in one list, of what is gone too; nobody adds, changes or deletes a line."""

    list_display = ["at", "about", "slug", "what", "who"]
    list_filter = ["about", "what"]
    search_fields = ["slug", "who"]
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).visible_to(request.user).order_by("-at", "-pk")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:
        return False
