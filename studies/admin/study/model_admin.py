"""Studies: the list, and the page of one study."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from studies import lifecycle, protocols
from studies.admin import log
from studies.admin.pages import Findable, as_sentence, get_object_or_404_for
from studies.designs.consent import untold
from studies.lib.errors import StudyError
from studies.models import Access, Study
from studies.preparation import progress as preparation_progress
from studies.recruitment import arrivals
from studies.recruitment.arrivals import link_of
from studies.repeating.create import verdict

from . import actions as study_actions
from . import (
    amend,
    checklist,
    checks,
    consent,
    design,
    duplicate,
    estimates,
    monitoring,
    picture_figures,
    planning,
    posting,
    preregistration,
    preview,
    recruitment,
    repeat,
    results,
    selections,
    sharing,
    stimuli,
)
from .descriptions import report_of, settings_of, stages
from .progress import counted, progress


class ProtocolFilter(admin.SimpleListFilter):
    title = parameter_name = "protocol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, kind.title) for key, kind in protocols.available().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(protocol=self.value()) if self.value() else queryset


class RehearsalFilter(admin.SimpleListFilter):
    title = parameter_name = "rehearsal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Studies alone"), ("yes", "Rehearsals alone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(rehearsal_of__isnull=self.value() == "no") if self.value() else queryset


class ArchiveFilter(admin.SimpleListFilter):
    """Archived studies are listed where they are asked for."""

    title = parameter_name = "archive"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Archived alone"), ("all", "With archived ones")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=self.value() != "yes")


@admin.register(Study)
class StudyAdmin(Findable, ModelAdmin):
    list_display = ["what", "state_label", "how_far", "protocol_title", "link_button", "added"]
    list_filter = ["state", ProtocolFilter, RehearsalFilter, ArchiveFilter]
    delete_confirmation_template = "admin/studies/study/delete.html"
    list_select_related = ["rehearsal_of"]
    search_fields = ["title", "slug"]
    fields = ["title", "consent_text"]
    actions = None

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Study]:
        return counted(super().get_queryset(request).visible_to(request.user))

    @display(description="Study", ordering="title")
    def what(self, study: Study) -> str:
        about = f"{study.slug}, rehearsal of {study.rehearsal_of.slug}" if study.rehearsal_of else study.slug
        return format_html('<strong>{}</strong><span class="desk-soft">{}</span>', study.title, about)

    @display(description="State", ordering="state")
    def state_label(self, study: Study) -> str:
        return render_to_string("admin/studies/study/state.html", {"study": study})

    @display(description="Answers")
    def how_far(self, study: Study) -> str:
        return render_to_string("admin/studies/study/progress.html", {"progress": progress(study), "study": study})

    @display(description="Protocol", ordering="protocol")
    def protocol_title(self, study: Study) -> str:
        return protocols.get(study.protocol).title

    @display(description="Added", ordering="created_at")
    def added(self, study: Study) -> str:
        return date_format(study.created_at, "j M Y")

    @display(description="Participant link")
    def link_button(self, study: Study) -> str:
        return format_html(
            '<button type="button" class="desk-button small" data-copy="{}">Copy link</button>', link_of(study)
        )

    # --- who may do what ----------------------------------------------------------------------------------------------

    def get_readonly_fields(self, request: HttpRequest, obj: Study | None = None) -> list[str]:
        return [] if obj is None or obj.state in lifecycle.NOT_YET_OPEN else self.fields

    def has_delete_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        """Only what nobody has answered can be deleted."""
        return self._may_delete(request, obj) and (obj is None or not lifecycle.why_not_deleted(obj))

    def _may_delete(self, request: HttpRequest, obj: Study | None) -> bool:
        """Whether it is theirs, whatever there is in it."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.access == Access.OWN)

    def has_change_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.access in (Access.EDIT, Access.OWN))

    def has_share_permission(self, request: HttpRequest, obj: Study) -> bool:
        return self.has_view_permission(request, obj) and obj.access == Access.OWN

    def delete_model(self, request: HttpRequest, obj: Study) -> None:
        lifecycle.delete_study(obj, actor=request.user)

    def get_deleted_objects(self, objs: QuerySet[Study], request: HttpRequest) -> tuple[list, dict, set, list]:
        """Numbers instead of a line for each of thousands of stimuli."""
        counts = {"stimuli": sum(study.stimuli.count() for study in objs)}
        return [str(study) for study in objs], counts, set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        study = self.get_object(request, object_id)
        if study and self._may_delete(request, study) and (why := lifecycle.why_not_deleted(study)):
            messages.error(request, f"{study.title} cannot be deleted: {why}.")
            return redirect(self.address(study))
        try:
            return super().delete_view(request, object_id, extra_context)
        except StudyError as error:
            messages.error(request, as_sentence(error))
            return redirect("admin:studies_study_changelist")

    # --- addresses ----------------------------------------------------------------------------------------------------

    def address(self, study: Study, name: str = "change") -> str:
        return reverse(f"admin:studies_study_{name}", args=[study.pk])

    def get_urls(self) -> list:
        def at(route: str, view: Any, name: str, **kwargs: Any) -> Any:
            own = partial(view, self)
            own.csrf_exempt = getattr(view, "csrf_exempt", False)
            return path(route, self.admin_site.admin_view(own), kwargs, name=f"studies_study_{name}")

        own = [
            at("add/design/", design.second_step, "add_design"),
            at("add/from-export/", repeat.from_export, "add_from_export"),
            at("add/consequences/", estimates.of_new, "add_consequences"),
            at("<int:pk>/design/", design.change_design, "design"),
            at("<int:pk>/checks/", checks.checks, "checks"),
            at("<int:pk>/count/", selections.count, "count"),
            at("<int:pk>/consequences/", estimates.of_study, "consequences"),
            at("<int:pk>/preparing/", preparing, "preparing"),
            at("plan/", planning.plan, "plan"),
            at("<int:pk>/duplicate/", duplicate.duplicate, "duplicate"),
            at("<int:pk>/preregistration/", preregistration.preregistration, "preregistration"),
            at("<int:pk>/running/", monitoring.running, "running"),
            at("<int:pk>/running/charts/", monitoring.charts, "charts"),
            at("<int:pk>/participants/", monitoring.participants, "participants"),
            at("<int:pk>/exclude/", monitoring.exclude, "exclude"),
            at("<int:pk>/preview/", preview.preview, "preview"),
            at("<int:pk>/stimuli/", stimuli.gallery, "stimuli"),
            at("<int:pk>/stimulus/", stimuli.stimulus, "stimulus"),
            at("<int:pk>/amend/", amend.amend, "amend"),
            at("<int:pk>/consent/", consent.consent, "consent"),
            at("<int:pk>/checklist/", checklist.checklist, "checklist"),
            at("<int:pk>/checklist/board.md", checklist.board, "board"),
            at("<int:pk>/recruiting/", recruitment.recruiting, "recruiting"),
            at("<int:pk>/recruiting/due/", recruitment.due, "due"),
            at("<int:pk>/recruiting/postings/", posting.posting, "posting"),
            at("<int:pk>/recruiting/payments.csv", posting.payment_table, "payments"),
            at("<int:pk>/people/", sharing.people, "people"),
            at("<int:pk>/history/", log.log, "history"),
            at("<int:pk>/history/log.csv", log.download, "log"),
            at("<int:pk>/results/", results.results, "results"),
            at("<int:pk>/figures/", picture_figures.figures, "figures"),
            at("<int:pk>/results/export/", results.export, "export"),
            *(at(f"<int:pk>/{key}/", study_actions.step, key, key=key) for key in study_actions.KEYS),
        ]
        return own + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return design.first_step(self, request)

    # --- one study ----------------------------------------------------------------------------------------------------

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "consent_text" and field is not None:
            field.widget.attrs["rows"] = 12
        return field

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        study = self.get_object(request, object_id)
        if study is None or not self.has_view_permission(request, study):
            return super().change_view(request, object_id, form_url, extra_context)
        try:
            if request.method == "POST" and study.state not in lifecycle.NOT_YET_OPEN:
                raise StudyError(f"study {study.slug} is {study.state}: it can no longer be changed")
            return super().change_view(
                request, object_id, form_url, {**(extra_context or {}), **self._about(request, study)}
            )
        except StudyError as error:
            messages.error(request, as_sentence(error))
            return redirect(self.address(study))

    def save_model(self, request: HttpRequest, obj: Study, form: Any, change: bool) -> None:
        """Not `save()`: a worker or another tab may have moved the study on since this page was read."""
        lifecycle.change_texts(obj, title=obj.title, consent_text=obj.consent_text, actor=request.user)

    def response_change(self, request: HttpRequest, obj: Study) -> HttpResponse:
        messages.success(request, "The texts are saved.")
        return redirect(self.address(obj))

    def _about(self, request: HttpRequest, study: Study) -> dict[str, Any]:
        so_far = progress(study)
        report, galleries = report_of(study)
        return {
            "title": study.title,
            "study": study,
            "kind": protocols.get(study.protocol),
            "progress": so_far,
            "steps": [(step, step.says(study, so_far)) for step in study_actions.possible(study)],
            "stages": stages(study),
            "link": link_of(study),
            "recruiter": arrivals.recruiter_of(study)[0],
            "verdict": list(verdict(study)) if preview.previewable(study) else [],
            "may_duplicate": self.has_add_permission(request),
            "n_shares": study.shares.count(),
            "counted": selections.shown(study),
            "names_checks": bool(protocols.get(study.protocol).named_checks(study.design)),
            "previewable": preview.previewable(study),
            "design": settings_of(study),
            "design_changes": study.state in lifecycle.EDITABLE,
            "texts_change": study.state in lifecycle.NOT_YET_OPEN,
            "untold": untold(study) if study.state in lifecycle.NOT_YET_OPEN else "",
            "report": report,
            "galleries": galleries,
            **(_so_far(study) if study.state == Study.State.PREPARING else {}),
        }


def preparing(admin: StudyAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The line a study's page asks for again and again while a worker prepares; then it has the page loaded anew."""
    study = get_object_or_404_for(admin, request, pk, "view")
    if study.state != Study.State.PREPARING:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponse(render_to_string("admin/studies/study/preparing.html", {"study": study, **_so_far(study)}))


def _so_far(study: Study) -> dict[str, Any]:
    """How far a preparation is."""
    return {"preparation": preparation_progress.stages(study), "failures": preparation_progress.failures(study)}
