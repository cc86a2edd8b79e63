"""Planning a study: how wide its intervals and how strong its tests would be, before anybody is paid."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold import widgets

from studies import protocols
from studies.admin.pages import as_sentence, page
from studies.admin.widgets import with_theme_widgets
from studies.lib import limited_process
from studies.models import Study
from studies.planning import power
from studies.planning.estimates import SHARES, in_process
from studies.planning.fees import fees
from studies.protocols import Protocol
from studies.results.page_data import in_cells

from .results import shown

#: Simulated answers a page may wait for; some seconds of one core.
MOST_ANSWERS = 10_000_000
#: Answers of a pilot, and bytes of its file.
MOST_PILOT, MOST_PILOT_BYTES = 200_000, 10_000_000
#: The grid in one figure, and the figures: one for each number of answers, and another for power.
MOST_CELLS, MOST_MAPS = 48, 6
MOST_OF_ANY = 1_000_000
#: The largest spread in log-odds that a person, a picture or their number of answers can sensibly have, and mean.
MOST_SD, MOST_MEAN = 10, 20
#: In log-odds, as the scenario of the simulation calls them.
ASSUMED = ("mean", "stimulus_sd", "participant_sd", "activity_sd", "random_answerers")
#: What to do where a page cannot wait.
SMALLER = "take fewer replicates or a smaller grid, or manage.py plan_study."


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

    stimuli = NumbersField(initial=[200, 500, 1000], help_text="Number of stimuli per condition.")
    participants = NumbersField(initial=[25, 50, 100], help_text="Number of participants.")
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
    separate_groups = forms.BooleanField(
        required=False, help_text="Separate groups: each person meets only one of the two conditions."
    )
    effect = forms.FloatField(
        initial=0.5,
        required=False,
        min_value=-MOST_MEAN,
        max_value=MOST_MEAN,
        help_text="Effect: increase in the log-odds of yes in the second condition; 0.5 is 12 points.",
    )
    margin = forms.FloatField(
        required=False,
        min_value=0.1,
        max_value=99,
        help_text="Margin: largest difference of two conditions that counts as none, in percentage points.",
    )
    pilot = forms.FileField(
        required=False,
        help_text="Answers with participant, stimulus and answer, as CSV, at most 10 MB; in place of the assumptions.",
    )
    pilot_study = forms.ModelChoiceField(
        Study.objects.none(), required=False, empty_label="none", help_text="Or a closed study with yes and no answers."
    )
    mean = forms.FloatField(
        initial=0.0,
        required=False,
        min_value=-MOST_MEAN,
        max_value=MOST_MEAN,
        help_text="Log-odds of yes for the average stimulus; 0 is 50%.",
    )
    stimulus_sd = forms.FloatField(
        initial=2.0, required=False, min_value=0, max_value=MOST_SD, help_text="SD between stimuli, in log-odds."
    )
    participant_sd = forms.FloatField(
        initial=1.0,
        required=False,
        min_value=0,
        max_value=MOST_SD,
        help_text="SD between people, in log-odds; 0 if all judge alike.",
    )
    activity_sd = forms.FloatField(
        initial=0.5,
        required=False,
        min_value=0,
        max_value=MOST_SD,
        help_text="SD of the logarithm of answers per person; 0 if all give the same number.",
    )
    random_answerers = forms.FloatField(
        initial=0.0, required=False, min_value=0, max_value=1, help_text="Share of people who answer at random."
    )
    pay = forms.FloatField(
        initial=0.05, required=False, min_value=0, max_value=1e6, help_text="For one answer, in any currency."
    )
    market = forms.ChoiceField(
        choices=lambda: [("", "none"), *((key, f"{fee.name}: {fee.rate:.1%}") for key, fee in fees().items())],
        required=False,
        help_text="Recruiter's fee, which the cost then includes. Rates change: check them at the recruiter's.",
    )
    seconds = forms.FloatField(initial=5.0, required=False, min_value=0, max_value=86_400, help_text="For one answer.")
    replicates = forms.IntegerField(
        initial=100, required=False, min_value=20, max_value=500, help_text="Simulated studies for each combination."
    )
    seed = forms.IntegerField(initial=0, required=False, min_value=0, max_value=2**31 - 1)

    #: What a plan is about; everything else is assumed at first.
    FIRST = ("stimuli", "participants", "answers", "measure", "threshold", "conditions", "effect")

    def first(self) -> list[forms.BoundField]:
        """The fields that a plan is made with."""
        return [self[name] for name in self.FIRST]

    def assumed(self) -> list[forms.BoundField]:
        """The other fields, folded on the page."""
        return [field for field in self if field.name not in self.FIRST]

    def wrong_assumptions(self) -> bool:
        return any(field.errors for field in self.assumed())

    def __init__(self, *args: Any, pilots: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["pilot_study"].queryset = pilots
        self.fields["pilot"].widget = widgets.UnfoldAdminFileFieldWidget()
        with_theme_widgets(self)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, field in self.fields.items():
            if not field.required and cleaned.get(name) in (None, "") and name not in self.errors:
                cleaned[name] = field.initial
        if (pilot := cleaned.get("pilot")) and pilot.size > MOST_PILOT_BYTES:
            self.add_error(
                "pilot", f"A file of {pilot.size:,} bytes is too large for a page; use manage.py plan_study."
            )
        if cleaned.get("pilot") and cleaned.get("pilot_study"):
            self.add_error("pilot_study", "Give a file or a study, not both.")
        grid = [cleaned.get(name) or [] for name in ("stimuli", "participants", "answers")]
        if (cells := len(grid[0]) * len(grid[1]) * len(grid[2])) > MOST_CELLS:
            self.add_error(None, f"{cells} combinations are too many for one page; {MOST_CELLS} are not.")
        if len(grid[2]) > MOST_MAPS:
            self.add_error("answers", f"Give at most {MOST_MAPS} numbers: each is a figure of its own.")
        simulated = sum(grid[0]) * len(grid[1]) * sum(grid[2]) + len(grid[0]) * sum(grid[1]) * len(grid[2])
        simulated *= int(cleaned.get("conditions") or 1)
        if simulated * (cleaned.get("replicates") or 0) > MOST_ANSWERS:
            self.add_error(None, f"This takes too long for a page: {SMALLER}")
        return cleaned


def plan(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """GET shows the form, filled in from `?study=`; POST simulates, and stores nothing."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    of = get_object_or_404(admin.get_queryset(request), pk=request.GET["study"]) if "study" in request.GET else None
    yes_no = [key for key, kind in protocols.available().items() if asks_yes_or_no(kind)]
    pilots = admin.get_queryset(request).filter(state=Study.State.CLOSED, protocol__in=yes_no)
    posted = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = PlanForm(*posted, pilots=pilots, initial=_initial(of) if of else None)
    context: dict[str, Any] = {"form": form, "study": of, "original": of}
    if form.is_valid():
        context |= _simulated(form, owner=str(request.user.pk))
    return page(admin, request, "admin/studies/study/plan.html", title="Plan a study", **context)


def asks_yes_or_no(kind: Protocol) -> bool:
    """Whether its answers can be a pilot of shares of yes."""
    return not kind.has_correct_answer and kind.rate_range == SHARES


def _initial(study: Study) -> dict[str, Any]:
    known = power.of_design(study)
    initial = {name: known[name] for name in ("threshold", "measure", "separate_groups", "margin")}
    initial |= {"answers": [known["answers"]], "conditions": str(known["conditions"])}
    return initial | ({"stimuli": [known["stimuli"]]} if known["stimuli"] else {})


def _simulated(form: PlanForm, owner: str) -> dict[str, Any]:
    """What the page shows of the plan; what is wrong with it, or with the pilot, goes into the form."""
    # Loaded here, so that web processes start fast.
    from studies.analysis.answers import AnswersError
    from studies.analysis.plan_on_request import PilotError

    asked = {
        name: value
        for name, value in form.cleaned_data.items()
        if name not in (*ASSUMED, "market", "pilot", "pilot_study")
    }
    asked["conditions"] = int(asked["conditions"])
    if market := form.cleaned_data["market"]:
        asked["pay"] *= 1 + fees()[market].rate
    assumed = {name: form.cleaned_data[name] for name in ASSUMED}
    file, study = form.cleaned_data["pilot"], form.cleaned_data["pilot_study"]
    try:
        pilot = (file.name, file.read()) if file else power.pilot_of(study, most=MOST_PILOT) if study else None
        rows, assumed = in_process("planned", asked, assumed, pilot, owner=owner)
    except limited_process.Unfinished as reason:
        form.add_error(None, f"{as_sentence(reason)} {SMALLER.capitalize()}")
        return {}
    except PilotError as error:
        form.add_error("pilot" if file else "pilot_study", as_sentence(error))
        return {}
    except AnswersError as error:
        form.add_error(None, as_sentence(error))
        return {}
    return {
        "table": in_cells(power.width_table(rows)),
        "figures": [shown(figure) for figure in power.heat_maps(rows)],
        "assumed": [(name.replace("_", " "), f"{value:.2f}") for name, value in assumed.items()],
        "from_pilot": pilot is not None,
    }
