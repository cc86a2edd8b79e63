"""An open study in an installation, written as rows; a program, so that the installation is named by its environment.

Prints the link that participants are given.
"""

import argparse
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stimuli", type=int, required=True)
    parser.add_argument("--panel", type=int, default=5)
    parser.add_argument("--each", type=int, default=50, help="trials_per_participant")
    parser.add_argument("--slug", default="", help="of a further study in the same installation")
    parser.add_argument("--without-constraints", action="store_true", help="a negative control")
    asked = parser.parse_args()
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from studies.models import Trial
    from tests.factories import open_study

    call_command("migrate", verbosity=0)
    study = open_study(asked.stimuli, asked.panel, slug=asked.slug, trials_per_participant=asked.each)
    if asked.without_constraints:
        with connection.schema_editor() as editor:
            for constraint in Trial._meta.constraints:
                if constraint.name in {"nobody_meets_a_stimulus_twice", "one_trial_a_position"}:
                    editor.remove_constraint(Trial, constraint)
    print(study.link)


if __name__ == "__main__":
    main()
