"""How often the intervals of two_choice, preference, distinction, advice and simulatability hold what was planted.

    python -m benchmarks.planted_effects [--seeds 100] [--people 60]

For each of them the example of `tests/examples.py`: a study of made-up stimuli in a database of its own, and for each
seed full panels of simulated people who answer at a planted rate, led past each other as participants are.  Prints one
JSON line: of how many seeds the interval holds the planted value.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence

KEYS = ("two_choice", "preference", "distinction", "advice", "simulatability")


def covered(key: str, seeds: Sequence[int], people: int) -> list[int]:
    """For each planted effect of the protocol, of how many seeds its interval holds it."""
    import numpy as np

    from studies import protocols
    from studies.results import frames
    from studies.simulation.complete_panels import complete_answers
    from studies.simulation.population import Population
    from tests.bench import made_up_study
    from tests.examples import PLANTED

    protocol, found = protocols.get(key), []
    for planted in PLANTED[key]:
        study = made_up_study(key, planted.design, n_images=480)
        stimuli = frames.stimulus_frame(study)
        shown = list(study.stimuli.main().order_by("number").select_related("condition"))
        expected, inside = planted.expected(study.preparation), 0
        for seed in seeds:
            answers = complete_answers(
                study,
                shown,
                people=people,
                rate=lambda stimulus, planted=planted: planted.rate(stimulus.truth),
                population=Population(),
                random=np.random.default_rng(seed),
            )
            measures = protocol.summary(study.design, study.preparation, stimuli, answers).measures
            interval = planted.found(measures)
            inside += interval["low"] is not None and interval["low"] <= expected <= interval["high"]
        found.append(int(inside))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--people", type=int, default=60)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "config.settings"}
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        found = {key: covered(key, range(chosen.seeds), chosen.people) for key in KEYS}
    print(json.dumps({"seeds": chosen.seeds, "people": chosen.people, "inside": found}))


if __name__ == "__main__":
    main()
