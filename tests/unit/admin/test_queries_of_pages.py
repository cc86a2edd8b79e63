"""No page of the desk asks more of the database on a large study than on a small one, nor more than is promised."""

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from studies.results import cache as result_cache
from tests import desk_pages, permission_matrix
from tests.factories import answered_study
from tests.large_study import large_classifier, large_study
from tests.logged_in_users import researcher
from tests.permission_matrix import TABLE

pytestmark = pytest.mark.django_db

#: What the desk promises of each of its pages, however large the study.
MOST_QUERIES = 30
SMALL, LARGE = 60, 600


def counted(n: int) -> dict[str, int]:
    """The queries of each page of a study of so many stimuli, opened for the first time with nothing remembered."""
    found = {}
    with transaction.atomic():
        study, client = large_study(n, 2, large_classifier(n)), researcher()
        for page in desk_pages.pages(study):
            desk_pages.put(study, page.state)
            cache.clear()
            with CaptureQueriesContext(connection) as taken:
                response = client.get(page.address)
            assert response.status_code == 200, (page.address, response.status_code)
            found[page.name.replace(f"study={study.pk}", "").replace(f"number={n}", "")] = len(taken)
        # A study that was answered cannot be deleted; the next one is to stand alone, too.
        transaction.set_rollback(True)
    return found


def test_every_page_takes_as_many_queries_on_a_study_ten_times_as_large_and_at_most_thirty(monkeypatch):
    # Both are too large for their results to be counted at once.
    monkeypatch.setattr(result_cache, "AT_ONCE", SMALL - 1)
    small, large = counted(SMALL), counted(LARGE)
    assert {name: n for name, n in large.items() if n > MOST_QUERIES} == {}
    assert {name: (n, large[name]) for name, n in small.items() if large[name] > n} == {}


def test_results_that_are_counted_at_once_take_as_many_queries_on_a_larger_study_and_at_most_thirty():
    found, client = [], researcher()
    for study in (answered_study(4, 3, 4), answered_study(40, 3, 10)):
        with CaptureQueriesContext(connection) as taken:
            assert "counted" in client.get(reverse("admin:studies_study_results", args=[study.pk])).context
        found.append(len(taken))
    assert found[1] <= found[0] <= MOST_QUERIES


def test_every_address_that_is_a_page_is_among_them():
    """By the resolver: nothing is left out but files, what nobody may open, and what is only posted."""
    study = large_study(6, 1, large_classifier(6))
    seen = {page.route for page in desk_pages.pages(study)}
    left = {route for route in permission_matrix.addresses() if route.startswith("admin/")} - seen - desk_pages.FILES
    open_to_nobody = (permission_matrix.NOBODY, permission_matrix.REFUSED, permission_matrix.NOTHING)
    left = {
        route for route in left if TABLE[route].get not in open_to_nobody and not TABLE[route].about.startswith("any")
    }
    assert left == desk_pages.ELSEWHERE
