"""All stimuli of a study, and where each of them came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from unfold import widgets

from studies import protocols
from studies.admin.format import format_value
from studies.admin.pages import get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.lib.canonical_json import canonical
from studies.models import Classifier, Image, Role, Stimulus, Study
from studies.models.studies import StimulusQuerySet
from studies.preparation import provenance
from studies.protocols import classifiers_of
from studies.views.pictures import picture_url

from .preview import previewable

ON_A_PAGE = 60
#: So many stimuli, evenly spread, tell what kind of value a fact has.
LOOKED_AT = 400
#: Beyond any number of a stimulus.
FAR = 1e308


@dataclass(frozen=True)
class Fact:
    """Something that is known of a stimulus, and how it is filtered by: "switch", "number" or "words"."""

    name: str
    help: str
    kind: str
    values: tuple[str, ...] = ()


class FilterForm(forms.Form):
    """By GET; what is left empty does not matter."""

    def __init__(self, data: Mapping[str, Any], *, study: Study, facts: list[Fact]):
        super().__init__(data)
        conditions = [(str(pk), key) for pk, key in study.conditions.order_by("pk").values_list("pk", "key")]
        self.fields["condition"] = forms.ChoiceField(choices=[("", "any"), *conditions], required=False)
        self.fields["role"] = forms.ChoiceField(choices=[("", "any"), *Role.choices], required=False)
        self.facts = facts
        meanings = {fact.name: fact.help for fact in facts}
        for fact in facts:
            label = fact.name.replace("_", " ").capitalize()
            if fact.kind == "number":
                for end in ("from", "to"):
                    self.fields[f"{fact.name}_{end}"] = forms.FloatField(label=f"{label}, {end}", required=False)
            elif fact.kind == "switch":
                choices = [("", "any"), ("true", "yes"), ("false", "no")]
                self.fields[fact.name] = forms.ChoiceField(label=label, choices=choices, required=False)
            else:
                self.fields[fact.name] = forms.CharField(label=label, required=False)
                self.fields[fact.name].widget.attrs["list"] = f"values-{fact.name}"
        for name, field in self.fields.items():
            meaning = meanings.get(name, meanings.get(name.removesuffix("_from").removesuffix("_to")))
            field.widget.attrs |= {"title": meaning} if meaning else {}
        with_theme_widgets(self)
        for field in self.fields.values():
            if isinstance(field, forms.FloatField):
                title = field.widget.attrs.get("title", "")
                field.widget = widgets.UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "title": title})

    def filtered(self, stimuli: StimulusQuerySet) -> StimulusQuerySet:
        """The stimuli that are asked for; none for a question that makes no sense."""
        if not self.is_valid():
            return stimuli.none()
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        if condition := given.get("condition"):
            stimuli = stimuli.filter(condition=condition)
        if role := given.get("role"):
            stimuli = stimuli.filter(role=role)
        for fact in self.facts:
            at = f"truth__{fact.name}"
            if fact.kind == "number":
                low, high = (given.get(f"{fact.name}_{end}") for end in ("from", "to"))
                if low is not None or high is not None:
                    # Both ends always: a stimulus of which it is not known is then not within them, on any database.
                    low, high = -FAR if low is None else low, FAR if high is None else high
                    stimuli = stimuli.filter(**{f"{at}__gte": low, f"{at}__lte": high})
            elif fact.name in given:
                value = given[fact.name] == "true" if fact.kind == "switch" else given[fact.name]
                stimuli = stimuli.filter(**{at: value})
        return stimuli


def facts_of(study: Study) -> list[Fact]:
    """What stimuli can be filtered by: their class, and what the protocol knows of them."""
    last = study.stimuli.order_by("-number").values_list("number", flat=True).first() or 0
    numbers = range(1, last + 1, max(1, last // LOOKED_AT))
    truths = list(study.stimuli.filter(number__in=numbers).values_list("truth", flat=True))
    known = {"label": "Name of the class that was asked about."} | dict(protocols.get(study.protocol).truth_columns)
    names = Classifier.objects.filter(name=classifiers_of(study.design)[0]).values_list(
        "image_set__classes__name", flat=True
    )
    classes = sorted(name for name in names if name)
    facts = []
    for name, meaning in known.items():
        values = [truth[name] for truth in truths if truth.get(name) is not None]
        if not values or isinstance(values[0], list | dict):
            continue
        if isinstance(values[0], bool):
            facts.append(Fact(name, meaning, "switch"))
        elif isinstance(values[0], int | float):
            facts.append(Fact(name, meaning, "number"))
        else:
            here = sorted({str(value) for value in values})
            facts.append(Fact(name, meaning, "words", tuple(classes if set(here) <= set(classes) else here)))
    return facts


def gallery(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """A page of the study's stimuli, in the order of preparation."""
    study = get_object_or_404_for(admin, request, pk, "view")
    facts = facts_of(study)
    form = FilterForm(request.GET, study=study, facts=facts)
    found = form.filtered(study.stimuli.order_by("number"))
    shown = Paginator(found, ON_A_PAGE).get_page(request.GET.get("p"))
    asked = {name: value for name, value in request.GET.items() if value and name != "p"}
    conditions = dict(study.conditions.values_list("pk", "key"))
    context = {
        "study": study,
        "original": study,
        "form": form,
        "facts": facts,
        "asked": urlencode(asked),
        "filtered": bool(asked),
        "shown": shown,
        "cards": [_card(study, stimulus, conditions[stimulus.condition_id], facts) for stimulus in shown],
        "stale": not previewable(study),
    }
    return page(admin, request, "admin/studies/study/stimuli.html", title="Stimuli", **context)


def _card(study: Study, stimulus: Stimulus, condition: str, facts: list[Fact]) -> dict[str, Any]:
    pictures = protocols.get(study.protocol).pictures(stimulus.shown)
    known = [(fact.name, stimulus.truth.get(fact.name)) for fact in facts if fact.name != "label"]
    return {
        "stimulus": stimulus,
        "picture": picture_url(pictures[0]) if pictures else "",
        "condition": condition,
        "label": stimulus.truth["label"],
        "known": [(name.replace("_", " "), _short(value)) for name, value in known if value is not None],
    }


def _short(value: Any) -> str:
    """As little as tells cards apart; the stimulus's own page has all of it."""
    if not isinstance(value, float):
        return format_value(value)
    return "below 0.001" if 0 < value < 0.001 else f"{value:.3g}"


def stimulus(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """One stimulus, by `number`: what is shown, what is known, and all it was made by."""
    study = get_object_or_404_for(admin, request, pk, "view")
    number = request.GET.get("number", "")
    if not number.isdecimal() or len(number) > 9:
        raise Http404
    found = study.stimuli.select_related("condition").filter(number=int(number)).first()
    if found is None:
        raise Http404
    protocol = protocols.get(study.protocol)
    pictures = list(dict.fromkeys(protocol.pictures(found.shown)))
    made = provenance.made_by(study, pictures)
    photographs = {artifact.recipe["image"] for artifact in made if "image" in artifact.recipe}
    paths = dict(
        Image.objects.filter(
            sha256__in=photographs, image_set__classifiers__name=classifiers_of(study.design)[0]
        ).values_list("sha256", "path")
    )
    context = {
        "study": study,
        "original": study,
        "stimulus": found,
        "pictures": [picture_url(name) for name in pictures],
        "answers": [choice.label for choice in protocol.choices(study.design, found.shown)],
        "truth": [(name.replace("_", " ").capitalize(), format_value(value)) for name, value in found.truth.items()],
        "made": [_step(artifact, paths) for artifact in made],
        "previewable": previewable(study) and found.role == Role.MAIN,
    }
    return page(admin, request, "admin/studies/study/stimulus.html", title=f"Stimulus {found.number}", **context)


def _step(artifact: Any, paths: Mapping[str, str]) -> dict[str, Any]:
    """One computation: its recipe as it is, and what a person asks first."""
    recipe = artifact.recipe
    method = next((one for one in recipe.values() if isinstance(one, dict) and "method" in one), {})
    parameters = ", ".join(f"{name} {format_value(value)}" for name, value in method.get("parameters", {}).items())
    return {
        "artifact": artifact,
        "version": recipe.get("version"),
        "method": f"{method['method']}, version {method.get('version', '–')}" if method else "",
        "parameters": parameters,
        "photograph": paths.get(recipe.get("image", ""), ""),
        "image": recipe.get("image", ""),
        "classifier": recipe.get("classifier", ""),
        "recipe": canonical(recipe).decode(),
        "files": sorted(artifact.files.items()),
    }
