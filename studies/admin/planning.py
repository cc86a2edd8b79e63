"""Planning a study: how wide its intervals and how strong its tests would be, before anybody is paid."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold import widgets

from studies import protocols
from studies.models import Study
from studies.reports import planning
from studies.reports.telling import in_cells

from .designing import dressed
from .pages import page, sentence
from .results import shown

if TYPE_CHECKING:
    from .studies import StudyAdmin

#: Simulated answers a page may wait for; some seconds of one core.
MOST_ANSWERS = 10_000_000
#: The grid in one figure.
MOST_CELLS = 48
MOST_OF_ANY = 1_000_000
#: In log-odds, as the scenario of the simulation calls them.
ASSUMED = ("mean", "stimulus_sd", "participant_sd", "activity_sd", "random_answerers")


class NumbersField(forms.CharField):
    """Whole numbers from 1 up, separated by blanks or commas."""

    def to_python(self, value: Any) -> list[int]:
        words = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
        try:
            numbers = [int(word) for word in words]
        except ValueError:
            raise forms.ValidationError("Give whole numbers, such as 200 500 1000.") from None
        if any(not 1 <= number <= MOST_OF_ANY for number in numbers):
            raise forms.ValidationError(f"Give numbers from 1 to {MOST_OF_ANY:,}.")
        return list(dict.fromkeys(numbers))

    def prepare_value(self, value: Any) -> Any:
        return " ".join(map(str, value)) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class PlanForm(forms.Form):
    """The grid, the assumptions or a pilot, and what an answer costs."""

    stimuli = NumbersField(initial=[200, 500, 1000], help_text="How many stimuli in each condition.")
    participants = NumbersField(initial=[25, 50, 100], help_text="How many people.")
    answers = NumbersField(initial=[5], help_text="How many different people answer each stimulus.")
    measure = forms.ChoiceField(
        choices=[
            ("accepted", "the share of panels accepted at k of n"),
            ("share", "the share of yes or right answers"),
        ],
        initial="accepted",
    )
    threshold = forms.IntegerField(
        required=False, min_value=1, help_text="k; empty for the smallest above three quarters of the answers."
    )
    conditions = forms.ChoiceField(
        choices=[("1", "one"), ("2", "two, compared with each other")], initial="1", required=False
    )
    separate_groups = forms.BooleanField(required=False, help_text="Each person meets one of the two conditions only.")
    effect = forms.FloatField(
        initial=0.5,
        required=False,
        help_text="What the second condition adds to the log-odds of yes; 0.5 is 12 points.",
    )
    pilot = forms.FileField(
        required=False, help_text="Answers with participant, stimulus and answer, as CSV; in place of the assumptions."
    )
    pilot_study = forms.ModelChoiceField(
        Study.objects.none(), required=False, empty_label="none", help_text="Or a closed study with yes and no answers."
    )
    mean = forms.FloatField(
        initial=0.0, required=False, help_text="Log-odds of yes for the average stimulus; 0 is 50 %."
    )
    stimulus_sd = forms.FloatField(
        initial=2.0, required=False, min_value=0, help_text="SD between stimuli, in log-odds."
    )
    participant_sd = forms.FloatField(
        initial=1.0, required=False, min_value=0, help_text="SD between people, in log-odds; 0 if all judge alike."
    )
    activity_sd = forms.FloatField(
        initial=0.5,
        required=False,
        min_value=0,
        help_text="SD of the logarithm of answers a person; 0 if all give as many.",
    )
    random_answerers = forms.FloatField(
        initial=0.0, required=False, min_value=0, max_value=1, help_text="Share of people who answer at random."
    )
    pay = forms.FloatField(initial=0.05, required=False, min_value=0, help_text="For one answer, in any currency.")
    seconds = forms.FloatField(initial=5.0, required=False, min_value=0, help_text="For one answer.")
    replicates = forms.IntegerField(
        initial=100, required=False, min_value=20, max_value=500, help_text="Simulated studies for each combination."
    )
    seed = forms.IntegerField(initial=0, required=False, min_value=0)

    def __init__(self, *args: Any, pilots: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["pilot_study"].queryset = pilots
        self.fields["pilot"].widget = widgets.UnfoldAdminFileFieldWidget()
        dressed(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, field in self.fields.items():
            if not field.required and cleaned.get(name) in (None, "") and name not in self.errors:
                cleaned[name] = field.initial
        if cleaned.get("pilot") and cleaned.get("pilot_study"):
            self.add_error("pilot_study", "Give a file or a study, not both.")
        grid = [cleaned.get(name) or [] for name in ("stimuli", "participants", "answers")]
        if (cells := len(grid[0]) * len(grid[1]) * len(grid[2])) > MOST_CELLS:
            self.add_error(None, f"{cells} combinations are too many for one page; {MOST_CELLS} are not.")
        simulated = sum(grid[0]) * len(grid[1]) * sum(grid[2]) * int(cleaned.get("conditions") or 1)
        if simulated * (cleaned.get("replicates") or 0) > MOST_ANSWERS:
            self.add_error(
                None,
                "This takes too long for a page: take fewer replicates or a smaller grid, or manage.py plan_study.",
            )
        return cleaned


def plan(admin: "StudyAdmin", request: HttpRequest) -> HttpResponse:
    """GET shows the form, filled in from `?study=`; POST simulates, and stores nothing."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    of = get_object_or_404(admin.get_queryset(request), pk=request.GET["study"]) if "study" in request.GET else None
    yes_no = [key for key, kind in protocols.available().items() if not kind.skilled]
    pilots = admin.get_queryset(request).filter(state=Study.State.CLOSED, protocol__in=yes_no)
    posted = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = PlanForm(*posted, pilots=pilots, initial=_initial(of) if of else None)
    context: dict[str, Any] = {"form": form, "study": of, "original": of}
    if form.is_valid():
        context |= _simulated(form)
    return page(admin, request, "admin/studies/study/plan.html", title="Plan a study", **context)


def _initial(study: Study) -> dict[str, Any]:
    known = planning.of_design(study)
    initial = {name: known[name] for name in ("threshold", "measure", "separate_groups")}
    initial |= {"answers": [known["answers"]], "conditions": str(known["conditions"])}
    return initial | ({"stimuli": [known["stimuli"]]} if known["stimuli"] else {})


def _simulated(form: PlanForm) -> dict[str, Any]:
    """What the page shows of the plan; a mistake in the pilot goes into the form."""
    # Loaded here, so that web processes start fast.
    from studies.analysis.planning import Assumptions, from_pilot, plan
    from studies.analysis.reading import read_answers
    from studies.analysis.simulate import Scenario
    from studies.analysis.tables import AnswersError

    asked = form.cleaned_data
    assumed = {name: asked[name] for name in ASSUMED}
    field = None
    try:
        if asked["pilot"] or asked["pilot_study"]:
            field = "pilot" if asked["pilot"] else "pilot_study"
            answers = read_answers(asked["pilot"]) if asked["pilot"] else planning.pilot_of(asked["pilot_study"])
            found = from_pilot(answers)
            assumed = {name: getattr(found, name) for name in ASSUMED}
            field = None
        two, largest = asked["conditions"] == "2", max(asked["answers"])
        more = {"effect": asked["effect"], "separate_groups": asked["separate_groups"]} if two else {}
        rows = plan(
            Assumptions(
                Scenario(stimuli=1, participants=largest, panel=largest, **assumed, **more),
                dict.fromkeys(asked["answers"], asked["threshold"]) if asked["threshold"] else None,
                asked["measure"],
                pay=asked["pay"],
                seconds=asked["seconds"],
            ),
            stimuli=asked["stimuli"],
            participants=asked["participants"],
            panels=asked["answers"],
            conditions=2 if two else 1,
            replicates=asked["replicates"],
            seed=asked["seed"],
        )
    except AnswersError as error:
        form.add_error(field, sentence(error))
        return {}
    return {
        "table": in_cells(planning.width_table(rows)),
        "figures": [shown(figure) for figure in planning.heat_maps(rows)],
        "assumed": [(name.replace("_", " "), f"{value:.2f}") for name, value in assumed.items()],
        "from_pilot": bool(asked["pilot"] or asked["pilot_study"]),
    }
