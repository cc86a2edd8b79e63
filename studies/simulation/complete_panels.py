"""Complete studies without any pages: full panels of simulated people, led past each other as participants are."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from studies import protocols
from studies.lib.errors import StudyError
from studies.models import Stimulus, Study
from studies.protocols import Arms

from .population import Model, Population

if TYPE_CHECKING:
    import pandas as pd

#: Whoever's answers do not count is asked again this often, where people in a study would make room for others.
MOST_ATTEMPTS = 1000
NEVER = -1
COLUMNS = ("participant", "stimulus", "answer", "condition", "response_ms", "server_ms")


def complete_answers(
    study: Study,
    shown: Sequence[Stimulus],
    *,
    people: int,
    rate: Callable[[Stimulus, str | None], float | None],
    population: Population,
    random: np.random.Generator,
) -> "pd.DataFrame":
    """Counted answers that fill every panel of `shown`, as `results.frames.counted_answers` gives them.

    `people`: how many take part at least; more do where arms and families need them.  `rate`: what the protocol's
    `simulated_answer` is given for a stimulus, and for what is asked of it where that is several things; where it is
    None, the skill of the person.

    Raises:
        StudyError: where simulated people give no answer that counts.
    """
    import pandas as pd

    protocol, design = protocols.get(study.protocol), study.design
    arms, panel = protocol.arms(design), design["answers_per_stimulus"]
    people = max(people, fewest_people(shown, arms, panel))
    models = [population.draw(random) for _ in range(people)]
    rows, names = [], protocol.summary_parts(design)
    for stimulus, person in draw_panels(shown, arms, panel=panel, people=people, random=random):
        about = stimulus.truth.get("asks") or [None]
        value, ms = _counted(protocol, study, stimulus, models[person], rate(stimulus, about[0]), random)
        orders = protocol.arrangements(stimulus.shown)
        arrangement = int(random.integers(orders)) if orders > 1 else 0
        value = protocol.as_arranged(value, stimulus.shown, arrangement)
        parts = _parts(protocol, study, stimulus, models[person], rate, random) if names else {}
        beside = (parts.get(name, [None])[0] for name in names)
        rows.append((person, stimulus.number, value, stimulus.condition.key, ms, ms, arrangement, *beside))
    table = pd.DataFrame(rows, columns=[*COLUMNS, "arrangement", *names])
    return table if protocol.answer_columns else table.drop(columns="arrangement")


def draw_panels(
    shown: Sequence[Stimulus], arms: Arms | None, *, panel: int, people: int, random: np.random.Generator
) -> Iterator[tuple[Stimulus, int]]:
    """For each stimulus in order `panel` of the people 0 … `people` - 1, at random, as the study's rules let them meet.

    Nobody meets two stimuli of one family within a visit; where there are arms, people meet one condition a visit and
    begin with each of them equally often.

    Raises:
        StudyError: in one line, where too few people may meet a stimulus.
    """
    visit_of = _visits(arms, people, random)
    met: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for stimulus in shown:
        condition, family = stimulus.condition.key, stimulus.family
        visits = visit_of.get(condition if arms else "", np.full(people, NEVER))
        may = visits != NEVER
        may[[person for person, visit in met[family] if visit == visits[person]]] = False
        if may.sum() < panel:
            raise StudyError(
                f"{people} simulated people are too few: {panel} answer stimulus {stimulus.number}, and only "
                f"{may.sum()} of them come to condition {condition} and have met none of its family there"
            )
        for person in random.choice(np.flatnonzero(may), size=panel, replace=False).tolist():
            if family:
                met[family].append((person, int(visits[person])))
            yield stimulus, person


def fewest_people(shown: Sequence[Stimulus], arms: Arms | None, panel: int) -> int:
    """How many people fill every panel, however many stimuli each of them answers."""
    of_family: dict[tuple[str, str], int] = defaultdict(int)
    for stimulus in shown:
        condition = stimulus.condition.key if arms else ""
        of_family[condition, stimulus.family or f"stimulus {stimulus.number}"] += panel
    needed = max(of_family.values(), default=panel)
    if arms is None:
        return needed
    # Of n conditions each person meets as many as there are visits, and each is begun with by one of n people.
    n, visits = len(arms.conditions), min(arms.visits, len(arms.conditions))
    groups, rest = divmod(needed, visits)
    return n * groups + (rest + n - visits if rest else 0)


def _visits(arms: Arms | None, people: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """By condition, in which visit each person meets it; "" for any where there are no arms."""
    if arms is None:
        return {"": np.zeros(people, dtype=int)}
    n = len(arms.conditions)
    begins = random.permutation(people) % n
    visit_of = {}
    for place, condition in enumerate(arms.conditions):
        visit = (place - begins) % n
        visit_of[condition] = np.where(visit < arms.visits, visit, NEVER)
    return visit_of


def _parts(
    protocol: protocols.Protocol,
    study: Study,
    stimulus: Stimulus,
    model: Model,
    rate: Callable[[Stimulus, str | None], float | None],
    random: np.random.Generator,
) -> dict[str, list[str]]:
    """What somebody says of the parts that the summary reads; who does not look says anything."""

    def known(about: str) -> float:
        planted = rate(stimulus, about)
        return model.skill if planted is None else planted

    said = protocol.simulated_parts(study.design, stimulus.truth, known, random)
    if model.careless and said and random.random() < model.careless:
        offered = {part.name: part for part in protocol.parts(study.design, stimulus.shown)}
        said = {name: offered[name].simulated(random) for name in said}
    return said


def _counted(
    protocol: protocols.Protocol,
    study: Study,
    stimulus: Stimulus,
    model: Model,
    rate: float | None,
    random: np.random.Generator,
) -> tuple[str, int]:
    """An answer that counts, and its milliseconds."""
    reason = ""
    for _ in range(MOST_ATTEMPTS):
        known = model.skill if rate is None else rate
        value, seconds = protocol.simulated_answer(study.design, stimulus.truth, known, random)
        if random.random() < model.careless:
            value = str(random.choice([choice.value for choice in protocol.choices(study.design, stimulus.shown)]))
        ms = round(1000 * seconds * model.pace)
        if not (reason := protocol.exclusion(study.design, value, ms)):
            return value, ms
    raise StudyError(
        f"simulated people give no answer to stimulus {stimulus.number} that counts: the last of {MOST_ATTEMPTS} "
        f"was excluded as {reason!r}"
    )
