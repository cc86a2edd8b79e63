"""What a crowd left behind in the database, against what its participants were told: by plain SQL, on both engines."""

from typing import Any

from tests.services.conftest import Installation

from .http_participants import Ledger

#: Each counts rows that must not be there.
HARM = {
    "over_full": """
        SELECT count(*) FROM (SELECT t.stimulus_id, count(*) AS n FROM studies_trial t WHERE t.counted
        GROUP BY t.stimulus_id) a JOIN (SELECT stimulus_id, count(*) AS n FROM studies_slot GROUP BY stimulus_id) s
        ON s.stimulus_id = a.stimulus_id WHERE a.n > s.n""",
    "met_twice": """
        SELECT count(*) FROM (SELECT 1 FROM studies_trial GROUP BY stimulus_id, participant_id
        HAVING count(*) > 1) a""",
    "positions_twice": """
        SELECT count(*) FROM (SELECT 1 FROM studies_trial GROUP BY participant_id, position HAVING count(*) > 1) a""",
    "filled_by_uncounted": """
        SELECT count(*) FROM studies_slot s JOIN studies_trial t ON t.id = s.holder_id
        WHERE s.filled AND NOT t.counted""",
    "held_by_another_stimulus": """
        SELECT count(*) FROM studies_slot s JOIN studies_trial t ON t.id = s.holder_id
        WHERE t.stimulus_id <> s.stimulus_id""",
    "counted_without_slot": """
        SELECT count(*) FROM studies_trial t WHERE t.counted
        AND t.stimulus_id IN (SELECT stimulus_id FROM studies_slot)
        AND NOT EXISTS (SELECT 1 FROM studies_slot s WHERE s.holder_id = t.id AND s.filled)""",
    "uncounted_without_reason": """
        SELECT count(*) FROM studies_trial t WHERE t.answered_at IS NOT NULL AND NOT t.counted AND t.exclusion = ''
        AND t.stimulus_id IN (SELECT stimulus_id FROM studies_slot)""",
}
NOT_FULL = """
    SELECT count(*) FROM (SELECT s.stimulus_id, count(*) AS wanted,
        (SELECT count(DISTINCT t.participant_id) FROM studies_trial t
         WHERE t.counted AND t.stimulus_id = s.stimulus_id) AS people
        FROM studies_slot s GROUP BY s.stimulus_id) a WHERE people <> wanted"""


def harm(installation: Installation, ledger: Ledger | None = None, *, full: bool = False) -> dict[str, int]:
    """What is wrong, by name, and how often; nothing when all is well.

    full: every panel is to have exactly as many answers as it wants, of different people.
    """
    found: dict[str, int] = {name: installation.rows(query)[0][0] for name, query in HARM.items()}
    if full:
        found["not_exactly_full"] = installation.rows(NOT_FULL)[0][0]
    if ledger is not None:
        stored: dict[int, Any] = dict(
            installation.rows("SELECT id, answer FROM studies_trial WHERE answered_at IS NOT NULL")
        )
        found["acknowledged_and_lost"] = len(ledger.acknowledged - stored.keys())
        both = ledger.acknowledged & stored.keys()
        found["stored_otherwise"] = sum(stored[trial] not in ledger.sent[trial] for trial in both)
        found["stored_and_never_sent"] = len(stored.keys() - ledger.sent.keys())
    return {name: n for name, n in found.items() if n}


def tally(installation: Installation) -> dict[str, int]:
    """What there is, for people who read figures."""
    queries = {
        "slots": "SELECT count(*) FROM studies_slot",
        "filled": "SELECT count(*) FROM studies_slot WHERE filled",
        "people": "SELECT count(*) FROM studies_participant",
        "late": "SELECT count(*) FROM studies_trial WHERE exclusion = 'late'",
    }
    return {name: installation.rows(query)[0][0] for name, query in queries.items()}
