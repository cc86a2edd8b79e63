"""The scenarios of ``benchmarks.coverage``: how people and images may be, from easy to hard."""

from dataclasses import dataclass, replace

from studies.analysis.simulation_model import Scenario

BASE = Scenario(373, 100)


@dataclass(frozen=True)
class Case:
    """A scenario with the threshold at which its panels accept."""

    scenario: Scenario
    threshold: int = 4

    @property
    def name(self) -> str:
        return self.scenario.name


def case(name: str, threshold: int = 4, **changes: object) -> Case:
    return Case(replace(BASE, name=name, **changes), threshold)  # type: ignore[arg-type]


CASES = [
    case("25 participants", participants=25),
    case("50 participants", participants=50),
    case("100 participants"),
    case("200 participants", participants=200),
    case("100, all alike", participant_sd=0.0),
    case("100, strong people", participant_sd=2.0),
    case("25, strong people", participants=25, participant_sd=2.0),
    case("100, uneven", activity_sd=1.0),
    case("200, very uneven", participants=200, activity_sd=1.5),
    case("30, very uneven", participants=30, activity_sd=1.2),
    case("100, few very active", activity_sd=2.0),
    case("25, uneven", participants=25, activity_sd=0.7),
    case("100, strong images", stimulus_sd=4.0),
    case("100, images alike", stimulus_sd=0.5),
    case("25, images alike, strong people", participants=25, stimulus_sd=0.5, participant_sd=2.0),
    case("100, yes is rare", mean=-2.5),
    case("100, yes is very rare", mean=-4.0),
    case("100, yes is usual", mean=2.5),
    case("25, yes is rare", participants=25, mean=-2.5),
    case("100, a fifth at random", random_answerers=0.2),
    case("25, a fifth at random", participants=25, random_answerers=0.2),
    case("100, half at random", random_answerers=0.5),
    case("60 images, 25", stimuli=60, participants=25),
    case("30 images, 40", stimuli=30, participants=40),
    case("12 images, 40", stimuli=12, participants=40),
    case("2,000 images, 50 uneven", stimuli=2000, participants=50, activity_sd=1.0),
    case("panels of 3, two accept", 2, panel=3),
    case("panels of 3, all accept", 3, panel=3),
    case("panels of 5, three accept", 3),
    case("panels of 5, all accept", 5),
    case("panels of 5, one accepts", 1),
    case("panels of 9, seven accept", 7, panel=9),
    case("panels of 9, all accept", 9, panel=9),
    case("panels of 9, 25 uneven", 7, panel=9, participants=25, activity_sd=0.7),
]
