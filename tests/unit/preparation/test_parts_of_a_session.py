"""Preparing refuses a session whose parts the protocol did not make, in one line, and the study stays a draft."""

import pytest

from studies import lifecycle, preparation, protocols
from studies.lib.errors import StudyError
from studies.models import Study
from studies.preparation.stimuli import specifications
from studies.protocols import Arms, Protocol, StimulusSpec
from tests.factories import make_classifier, make_image_set

TRUTH = {"image": "a.png", "label": "red"}
KNOWN = {**TRUTH, "expected": "yes"}
MAIN = StimulusSpec("one", {}, TRUTH)


class Bare(Protocol):
    """Makes what it is given, and leads people through so many visits."""

    key, title, version = "bare", "Bare", 1

    def __init__(self, *specs: StimulusSpec, visits: int = 1):
        self.specs, self.visits = specs, visits

    def stimuli(self, design, bench):
        yield from self.specs

    def arms(self, design):
        return Arms(("one", "two"), visits=self.visits) if self.visits > 1 else None


def control(role: str, n: int) -> list[StimulusSpec]:
    return [StimulusSpec("one", {"n": number}, KNOWN, role=role) for number in range(n)]


def design(**parts) -> dict:
    return {"example": False, "practice": 0, "gold": 0, **parts}


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"gold": 2}, "gold 2 (0 made)"),
        ({"practice": 3}, "practice 3 (0 made)"),
        ({"example": True}, "example 1 (0 made)"),
        ({"gold": 1, "practice": 2, "example": True}, "example 1 (0 made), practice 2 (0 made), gold 1 (0 made)"),
    ],
)
def test_a_part_that_the_protocol_did_not_make_is_named(parts, line):
    with pytest.raises(StudyError) as refused:
        specifications(Bare(MAIN), design(**parts), None)
    assert str(refused.value) == f"the design asks for control trials that bare did not make: {line}"
    made = [spec for role, n in Bare().control_trials(design(**parts)).items() for spec in control(role, n)]
    assert len(specifications(Bare(MAIN, *made), design(**parts), None)) == 1 + len(made)


def test_too_few_are_as_good_as_none_and_each_visit_has_gold_of_its_own():
    with pytest.raises(StudyError, match=r"gold 2 \(1 made\)"):
        specifications(Bare(MAIN, *control("gold", 1)), design(gold=2), None)
    with pytest.raises(StudyError, match=r"gold 4 \(2 made\)"):
        specifications(Bare(MAIN, *control("gold", 2), visits=2), design(gold=2), None)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (StimulusSpec("one", {}, {"image": "a.png"}), "the role main and without 'label' in its truth"),
        (StimulusSpec("one", {}, TRUTH, role="gold"), "the role gold and without 'expected' in its truth"),
        (
            StimulusSpec("one", {}, KNOWN, role="check"),
            "the role 'check'; the roles are main, gold, practice, example, training",
        ),
    ],
)
def test_a_stimulus_that_no_page_could_show_is_named(spec, line):
    with pytest.raises(StudyError) as refused:
        specifications(Bare(MAIN, spec), design(), None)
    assert str(refused.value) == f"bare made stimulus 2 with {line}"


@pytest.mark.django_db
def test_the_study_stays_a_draft_with_the_line_as_its_problem(monkeypatch):
    classifier = make_classifier(make_image_set())
    wanted = {"classifier": classifier.name, "gold": 2}
    study = lifecycle.create_study(slug="asks-for-gold", protocol="rectified_labeling", design=wanted)
    protocol = type(protocols.get("rectified_labeling"))
    monkeypatch.setattr(protocol, "stimuli", lambda self, design, bench: iter([MAIN]))
    with pytest.raises(StudyError, match=r"gold 2 \(0 made\)"):
        preparation.prepare(study)
    study.refresh_from_db()
    assert (study.state, study.stimuli.count()) == (Study.State.DRAFT, 0)
    assert study.problem.endswith("that rectified_labeling did not make: gold 2 (0 made)")
