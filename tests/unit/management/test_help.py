"""What the help of commands says: Quorum's own first, in the order of a study, each with an example that it takes."""

import shlex

import pytest
from django.core.management import get_commands, load_command_class

from studies.management import guide
from studies.management.commands.prepare import BAR

OWN = sorted(name for name, app in get_commands().items() if app == "studies")


def test_every_command_has_its_place_and_nothing_else_has():
    assert sorted(command for group in guide.EXAMPLES.values() for command in group) == OWN


@pytest.mark.parametrize("name", OWN)
def test_the_example_of_a_command_is_one_that_it_takes(name):
    parser = load_command_class("studies", name).create_parser("manage.py", name)
    example = guide.example(name)
    assert example in " ".join(parser.format_help().split())
    parser.parse_args(shlex.split(example)[2:])


def test_help_has_a_sentence_for_each_command_and_no_django_between_them():
    lines = list(guide.overview())
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line.startswith("  ")}
    assert sorted(said) == OWN
    assert all(sentence.endswith(".") for sentence in said.values())
    assert said["prepare"] == "Compute what a study shows, here and now."


def test_preparing_shows_no_share_of_a_total_that_grows():
    assert "percentage" not in BAR
    assert "{n_fmt} of {total_fmt}" in BAR
