"""The settings of a study about attributes."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms

from studies.protocols.base.field_help import PAPER, FieldHelp
from studies.protocols.base.fields import NameListField
from studies.protocols.base.named_checks import ChecksField
from studies.protocols.base.named_checks import parse as parse_checks

from . import class_tables
from .margins import MarginForm
from .panels import ThresholdForm
from .selections import NEEDS, TITLES, WAYS, SelectionForm

ONE_PAGE, PAGE_EACH = "one_page", "page_each"
#: What is asked where a design names nothing.
USUAL = "a person"
#: More would not fit on one page, nor into one family of tests.
MOST_ATTRIBUTES, LONGEST_ATTRIBUTE = 8, 80


def attributes_of(design: Mapping[str, Any]) -> list[str]:
    """What a design asks for, in its order."""
    return list(design.get("attributes") or [design["attribute"]])


class AttributeAnnotationForm(SelectionForm, MarginForm, ThresholdForm):
    about: ClassVar[Mapping[str, FieldHelp]] = {
        "class_name": FieldHelp("pictures", "The class needs twice as many images as are chosen.", "a class"),
        "attribute": FieldHelp("asked", "Wording of the question. Name what can be seen, without a judgement."),
        "attributes": FieldHelp(
            "asked",
            "All are asked of each image. More attributes are more tests, and Holm’s p grows with them.",
            "one per line",
            f"{PAPER}: one at a time (section 3.4).",
        ),
        "asking": FieldHelp(
            "asked",
            "On one page people see an image once. On pages of their own nobody answers two attributes of an image, "
            "so that answers, people and cost grow with the attributes.",
        ),
        "selection": FieldHelp(
            "choosing",
            "What makes an image typical of its class, or unusual.",
            "",
            f"{PAPER}: the adversarial method (section 3.4).",
        ),
        "images": FieldHelp(
            "choosing",
            "Stimuli, answers and people grow in proportion, three times: prototypes, criticisms, random images.",
            "images of each kind",
        ),
        "threshold": FieldHelp(
            "people",
            "A higher threshold finds the attribute in fewer images. The result is reported for every threshold; this "
            "one is registered.",
            "yes answers of a panel",
            "Quorum’s own: a majority of five. The paper’s authors looked themselves.",
        ),
        "class_table": FieldHelp(
            "pictures",
            "With a table the result has the base rate of the class, and what the table says of the images shown.",
            "CSV",
            "Quorum’s own.",
        ),
        "checks": FieldHelp(
            "checks",
            "Checks ask the same as every other page. Their pictures are left out of what is chosen from.",
            "one per line",
            "Quorum’s own.",
        ),
    }
    class_name = forms.CharField(
        initial="",
        required=False,
        max_length=200,
        help_text="Class whose images are shown. Leave empty for the classifier's first class.",
    )
    attribute = forms.CharField(
        initial="",
        required=False,
        max_length=LONGEST_ATTRIBUTE,
        help_text=f"Attribute as it completes “Does this image show …?”. Empty: {USUAL}, or those named below.",
    )
    attributes = NameListField(
        required=False,
        initial=[],
        help_text="Several attributes in place of one, such as: a person, a basketball court.",
    )
    asking = forms.ChoiceField(
        initial=ONE_PAGE,
        required=False,
        choices=[(ONE_PAGE, "all on one page"), (PAGE_EACH, "each on a page of its own, to other people")],
        help_text="Pages on which several attributes are asked of an image.",
    )
    selection = forms.ChoiceField(
        choices=[(way, TITLES[way]) for way in WAYS],
        initial="adversarial",
        required=False,
        help_text="Method that chooses prototypes and criticisms.",
    )
    images = forms.IntegerField(
        initial=30,
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Number of images of each kind (prototypes, criticisms, random sample).",
    )
    class_table = forms.CharField(
        initial="",
        required=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "image,a person\ndog/001.jpg,yes"}),
        help_text="Table of the whole class: a column image, and a column of yes or no for each attribute.",
    )
    checks = ChecksField(
        required=False,
        initial=[],
        help_text="Pictures for example, practice and gold, with their right answers. Pick them on the page Checks.",
    )
    essential = ("class_name", "attribute", "attributes", "images", "answers_per_stimulus")
    field_order = ["classifier", "class_name", "attribute", "attributes", "asking", "selection", "images"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["threshold"].initial = 3
        self.fields[
            "threshold"
        ].help_text = "Threshold k: minimum number of yes answers of a panel for an image to show the attribute."

    def needs(self, design: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        way = design.get("selection", "")
        return [("selection", NEEDS[way])] if way in NEEDS else []

    def clean_attributes(self) -> list[str]:
        named = self.cleaned_data["attributes"]
        if len(named) > MOST_ATTRIBUTES:
            raise forms.ValidationError(f"At most {MOST_ATTRIBUTES} attributes, not {len(named)}.")
        for name in named:
            if len(name) > LONGEST_ATTRIBUTE:
                raise forms.ValidationError(f"{name[:30]}… is longer than {LONGEST_ATTRIBUTE} characters.")
        return named

    def clean(self) -> dict[str, Any]:
        design = super().clean()
        known = self.catalogue.classifiers.get(design.get("classifier", ""), ())
        if known and "class_name" not in self.errors:
            design["class_name"] = design["class_name"] or known[0]
            if design["class_name"] not in known:
                self.add_error("class_name", f"This classifier has no class {design['class_name']}.")
        if self.errors.keys() & {"attribute", "attributes"}:
            return design
        several, alone = design["attributes"], design["attribute"]
        if several and alone and alone not in several:
            self.add_error("attribute", f"{alone} is not among the attributes: name it there, or leave this empty.")
            return design
        # One way to say one thing, so that the same choice is the same design.
        design["attributes"] = several if len(several) > 1 else []
        design["attribute"] = "" if len(several) > 1 else alone or (several or [USUAL])[0]
        if any(set("|:;") & set(name) for name in attributes_of(design)):
            self.add_error("attributes" if several else "attribute", "An attribute has no “|”, “:” or “;” in it.")
            return design
        for name, parse in (("checks", parse_checks), ("class_table", class_tables.parse)):
            try:
                if design.get(name):
                    parse(design[name], attributes_of(design))
            except ValueError as error:
                self.add_error(name, str(error))
        return design
