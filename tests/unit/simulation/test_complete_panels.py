"""Complete studies without pages: who meets what follows families, arms and visits, as participants do."""

from collections import Counter, defaultdict
from itertools import groupby

import numpy as np
import pytest

from studies import protocols
from studies.lib.errors import StudyError
from studies.models import Condition, Stimulus
from studies.protocols import Arms
from studies.simulation import Population
from studies.simulation.complete_panels import complete_answers, draw_panels, fewest_people
from tests.bench import made_up_study

PANEL = 3


def stimuli(conditions: str, families: int, *, alone: int = 0, twins: int = 1) -> list[Stimulus]:
    """Of each condition one stimulus a family, or `twins`, and so many `alone`, of no family."""
    kinds = [(key, f"family {n}") for n in range(families) for key in conditions for _ in range(twins)]
    kinds += [(key, "") for key in conditions for _ in range(alone)]
    return [
        Stimulus(number=number, condition=Condition(key=key), family=family)
        for number, (key, family) in enumerate(kinds, start=1)
    ]


CASES = {
    "one condition": (stimuli("a", 0, alone=8), None, 3),
    "two conditions, met in one visit": (stimuli("ab", 5, alone=2), None, 6),
    "twins within a condition": (stimuli("a", 5, twins=2), None, 6),
    "separate groups": (stimuli("ab", 5, alone=2), Arms(("a", "b")), 6),
    "separate groups, twins": (stimuli("abc", 4, twins=2), Arms(("a", "b", "c")), 18),
    "two visits": (stimuli("ab", 5), Arms(("a", "b"), visits=2), 3),
    "two visits of three conditions": (stimuli("abc", 4), Arms(("a", "b", "c"), visits=2), 5),
}


@pytest.mark.parametrize("extra", [0, 1, 20])
@pytest.mark.parametrize("case", CASES)
def test_full_panels_keep_families_and_arms_apart(case, extra):
    shown, arms, fewest = CASES[case]
    assert fewest_people(shown, arms, PANEL) == fewest
    drawn = list(draw_panels(shown, arms, panel=PANEL, people=fewest + extra, random=np.random.default_rng(0)))
    assert [stimulus for stimulus, _ in groupby(drawn, key=lambda pair: pair[0])] == shown
    met, conditions = defaultdict(set), defaultdict(set)
    for stimulus, person in drawn:
        assert stimulus.number not in met[person, "stimuli"]
        met[person, "stimuli"].add(stimulus.number)
        conditions[person].add(stimulus.condition.key)
        # With arms a person meets one condition a visit, so that a condition is a visit.
        visit = stimulus.condition.key if arms else ""
        if stimulus.family:
            assert stimulus.family not in met[person, visit]
            met[person, visit].add(stimulus.family)
    most = arms.visits if arms else len({stimulus.condition.key for stimulus in shown})
    assert max(map(len, conditions.values())) == most
    assert set(Counter(stimulus.number for stimulus, _ in drawn).values()) == {PANEL}


def test_conditions_are_begun_with_equally_often():
    shown = stimuli("ab", 40)
    drawn = draw_panels(shown, Arms(("a", "b")), panel=PANEL, people=21, random=np.random.default_rng(0))
    groups = defaultdict(set)
    for stimulus, person in drawn:
        groups[stimulus.condition.key].add(person)
    assert sorted(map(len, groups.values())) == [10, 11]
    assert not groups["a"] & groups["b"]


@pytest.mark.parametrize(
    ("shown", "arms", "people", "line"),
    [
        (stimuli("ab", 1), None, 5, r"5 simulated people are too few: 3 answer stimulus 2, and only 2 of them come"),
        (stimuli("ab", 1), Arms(("a", "b")), 4, "only 2 of them come to condition a and have met none of its family"),
        (stimuli("ax", 1), Arms(("a", "b")), 60, "only 0 of them come to condition x"),
    ],
)
def test_too_few_people_are_one_line(shown, arms, people, line):
    with pytest.raises(StudyError, match=line):
        list(draw_panels(shown, arms, panel=PANEL, people=people, random=np.random.default_rng(0)))


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.available())
def test_every_protocol_is_answered_in_full_and_the_same_seed_gives_the_same_answers(key):
    study = made_up_study(key)
    shown = list(study.stimuli.main().select_related("condition"))

    def drawn(seed: int):
        random = np.random.default_rng(seed)
        return complete_answers(
            study, shown, people=1, rate=lambda stimulus, about: None, population=Population(), random=random
        )

    answers = drawn(0)
    assert len(answers) == len(shown) * study.design["answers_per_stimulus"]
    assert answers.groupby("stimulus")["participant"].nunique().eq(study.design["answers_per_stimulus"]).all()
    assert answers.equals(drawn(0))
    assert not answers.equals(drawn(1))


@pytest.mark.django_db
def test_people_whose_answers_never_count_end_it_in_one_line(monkeypatch):
    study = made_up_study("rectified_labeling")
    protocol = type(protocols.get(study.protocol))
    monkeypatch.setattr(protocol, "exclusion", lambda self, design, answer, server_ms: "too fast")
    with pytest.raises(StudyError, match=r"no answer to stimulus 1 that counts: the last of 1000 .* 'too fast'"):
        complete_answers(
            study,
            list(study.stimuli.main().select_related("condition")),
            people=9,
            rate=lambda stimulus, about: 0.5,
            population=Population(),
            random=np.random.default_rng(0),
        )
