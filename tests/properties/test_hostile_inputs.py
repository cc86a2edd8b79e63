"""A few hostile inputs of each kind, and every one that was made by hand: no error of the server's own, nothing stored.

`python -m benchmarks.hostile` tries thousands, and holds them to their seconds and megabytes.
"""

import pytest
from django.http import HttpResponse, HttpResponseRedirect

from tests import hostile
from tests.hostile.recruiting import Led, harmless

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Pillow warns of what is odd in a file and goes on; what counts is what becomes of it.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

KINDS = hostile.kinds()
GENERATED = 25


@pytest.fixture
def world(tmp_path) -> hostile.World:
    return hostile.World(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_are_refused_and_leave_nothing_behind(world, kind):
    inputs = [one for one in hostile.made() if one.kind == kind]
    assert len(inputs) >= 15
    for one in (*inputs, *hostile.generated(kind, GENERATED, seed=1)):
        verdict = hostile.attempt(world, one)
        assert verdict.problem == "", one.name


def test_the_test_above_would_notice_what_is_stored_or_fails(world):
    def leave(world):
        world.study.conditions.create(key="left behind")

    def fail(world):
        raise ZeroDivisionError

    def answer(world):
        return world.public.post(world.taking, {**world.form, "answer": "yes"})

    said = {one.__name__: hostile.attempt(world, hostile.Hostile("forms", "", one)) for one in (leave, fail, answer)}
    assert "stored: Condition" in said["leave"].problem
    assert "raised ZeroDivisionError" in said["fail"].problem
    assert "stored: " in said["answer"].problem


def test_a_page_that_leads_elsewhere_or_gives_back_what_was_sent_is_noticed():
    assert harmless(HttpResponse('<a href="/s/x/">Again</a><form method="post"></form>')).status_code == 200
    bad = [HttpResponseRedirect("https://evil.example/"), HttpResponseRedirect("//evil.example/")]
    bad += [HttpResponse(f'<form action="{at}">') for at in ("https://elsewhere.example", "//elsewhere.example", "a:b")]
    bad += [HttpResponse("<p><script>alert(1)</script>"), HttpResponse(headers={"X": "https://evil.example"})]
    for response in bad:
        with pytest.raises(Led):
            harmless(response)
