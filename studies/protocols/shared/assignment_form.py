"""The settings of a class assignment."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.fields import NameListField, SomeOfField
from studies.protocols.base.protocol import DesignForm

from .assignment_groups import CONDITIONS, EACH_ROUND, ONE_SET, WORDS
from .assignment_rounds import CLASSES
from .margins import MarginForm
from .selections import NEEDS, SelectionForm

THESE, SAMPLE = "these", "sample"


class ClassAssignmentForm(SelectionForm, MarginForm, DesignForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "classes": FieldHelp(
            "pictures",
            "More classes make rounds less alike. Each class needs enough images for every rule.",
            "one per line",
        ),
        "rounds": FieldHelp(
            "pictures",
            "Stimuli, answers and people grow in proportion: a round is shown once in each condition.",
            "targets",
        ),
        "conditions": FieldHelp(
            "choosing",
            "Stimuli, answers and people grow with the number of conditions; so does the "
            "correction for multiple comparisons.",
            source=f"{PAPER}: all seven (section 3.3).",
        ),
        "classes_are": FieldHelp(
            "people",
            "A sample: targets of one class are related, so intervals are clustered by class and wider. Fewer than six "
            "classes give none.",
            "",
            "Quorum’s own: these classes.",
        ),
        "selection_sets": FieldHelp(
            "choosing",
            "A new draw in each round, for every condition: the result is about the method. One set: it is about these "
            "images too, and a lucky or unlucky set counts in every round. MMD-critic draws from a random half of a "
            "class, as its choice from all of it is always the same.",
            source="Quorum’s default; the paper does not say.",
        ),
        "drawing": FieldHelp("pictures", "By confusion is harder: the six classes look alike."),
        "names": FieldHelp(
            "asked", "With names, participants can use what they know about the word instead of the pictures."
        ),
        "roles": FieldHelp("asked", "If marked, participants know which pictures are unusual for their class."),
        "min_seconds": FieldHelp(
            "asked",
            "A higher value excludes more answers, which are asked of others again.",
            "seconds",
            f"{PAPER}: 20 seconds (section 3.3).",
        ),
        "max_seconds": FieldHelp(
            "asked",
            "A lower value excludes more answers, which are asked of others again.",
            "seconds",
            f"{PAPER}: 3 minutes (section 3.3).",
        ),
    }
    classes = NameListField(
        required=False,
        initial=[],
        help_text="Classes that rounds are drawn from, by name. Leave empty for all.",
    )
    classes_are = forms.ChoiceField(
        choices=[(THESE, "these classes"), (SAMPLE, "classes in general, of which these are a sample")],
        initial=THESE,
        required=False,
        help_text="Classes that the result is about.",
    )
    rounds = forms.IntegerField(
        initial=20,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Number of targets. Each is shown in every condition, to different people.",
    )
    conditions = SomeOfField(
        choices=list(WORDS.items()),
        required=False,
        initial=list(CONDITIONS),
        help_text="Conditions: methods that choose the images of a class. Leave empty for all seven of the paper.",
    )
    selection_sets = forms.ChoiceField(
        choices=[(EACH_ROUND, "a new draw in each round"), (ONE_SET, "one set per class, in every round")],
        initial=EACH_ROUND,
        required=False,
        help_text="Images that stand for a class, in all conditions alike.",
    )
    drawing = forms.ChoiceField(
        choices=[("random", "at random"), ("confusion", "by confusion")],
        initial="random",
        required=False,
        help_text="The other five classes of a round: any, or those most often confused with the target's class.",
    )
    names = forms.ChoiceField(
        choices=[("letters", "letters"), ("classes", "the names of the classes")],
        initial="letters",
        required=False,
        help_text="Names of the groups of images.",
    )
    roles = forms.ChoiceField(
        choices=[("unmarked", "not marked"), ("marked", "marked")],
        initial="unmarked",
        required=False,
        help_text="Mark prototypes and criticisms on the page.",
    )
    min_seconds = forms.IntegerField(
        initial=20,
        required=False,
        min_value=0,
        help_text="Minimum time of a valid answer in seconds, by the server's clock.",
    )
    max_seconds = forms.IntegerField(
        initial=180,
        required=False,
        min_value=1,
        max_value=600,
        help_text="Maximum time of a valid answer in seconds, by the server's clock.",
    )
    essential = ("rounds", "conditions", "answers_per_stimulus", "trials_per_participant")
    field_order = ["classifier", "classes", "classes_are", "rounds", "conditions", "drawing", "answers_per_stimulus"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["trials_per_participant"].initial = 10

    def needs(self, design: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        ways = dict.fromkeys(CONDITIONS[name][0] for name in design.get("conditions", ()))
        return [("conditions", NEEDS[way]) for way in ways if way in NEEDS]

    def clean_conditions(self) -> list[str]:
        named = self.cleaned_data["conditions"]
        # In one order, so that the same choice is the same design.
        return [name for name in CONDITIONS if name in named] or list(CONDITIONS)

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        fastest, slowest = design.get("min_seconds"), design.get("max_seconds")
        if fastest is not None and slowest is not None and fastest >= slowest:
            self.add_error("max_seconds", f"Must be above min_seconds, which is {fastest}.")
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and "classes" not in self.errors and (size := len(design.get("classes") or known)) < CLASSES:
            self.add_error("classes", f"A round needs {CLASSES} classes, and the pool has {size}.")
        return design
