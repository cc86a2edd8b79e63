"""Whatever is set in a design or a plan, every page that computes answers, and participants' pages do meanwhile.

How fast they are meanwhile is a command: `python -m benchmarks.extremes`.
"""

import pytest

from tests import extremes
from tests.services.serving import Server

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

#: What answers sooner had nothing to compute.
BUSY_SECONDS = 0.5


def test_no_extreme_of_a_setting_keeps_a_page_or_a_participant_waiting(tmp_path):
    classifier, study = extremes.prepared()
    typed = [*extremes.of_designs(classifier), *extremes.of_plans()]
    read = list(extremes.of_studies(classifier, trials=990))
    assert len(typed) > 200
    cookies = extremes.researcher_cookies()
    with Server({"ESTIMATE_SECONDS": "2"}, tmp_path / "log") as server:
        address = f"http://127.0.0.1:{server.port}"
        with extremes.Participants(address, study) as people:
            took = extremes.several_at_once(address, typed, cookies, people=2)
        typing = len(people.milliseconds)
        with extremes.Participants(address, study) as others:
            took |= extremes.ask(address, read, cookies)
    assert set(took) == {request.what for request in [*typed, *read]}
    assert people.failures == others.failures == []
    # They went on all the time: far more pages of theirs than of what kept a processor busy.
    assert typing > sum(took[request.what] > BUSY_SECONDS for request in typed)
    assert len(others.milliseconds) > len(read)
