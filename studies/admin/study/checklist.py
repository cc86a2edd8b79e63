"""What to settle before strangers take part, and what the ethics board is handed."""

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse

from studies.admin.pages import get_object_or_404_for, page
from studies.planning.board import for_the_board
from studies.planning.checklist import checklist as points_of


def checklist(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    study = get_object_or_404_for(admin, request, pk, "view")
    context = {"study": study, "original": study, "points": points_of(study)}
    return page(admin, request, "admin/studies/study/checklist.html", title="Before you ask people", **context)


def board(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The Markdown text, as a file."""
    study = get_object_or_404_for(admin, request, pk, "view")
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-for-the-board.md"'}
    return HttpResponse(for_the_board(study), content_type="text/markdown; charset=utf-8", headers=headers)
