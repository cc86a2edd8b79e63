"""The columns of the export, each described once: its data dictionary and its reference page are made from this."""

from typing import Literal, NamedTuple

from studies import protocols
from studies.models import Study


class Column(NamedTuple):
    """What a column holds.  `kind` decides how it is written: moments are UTC, JSON is one cell of text."""

    kind: Literal["text", "integer", "moment", "json"]
    what: str


ANSWERS = {
    "study": Column("text", "Short name of the study."),
    "condition": Column("text", "Arm of the study the stimulus belongs to."),
    "stimulus": Column("integer", "Number of the stimulus; stimuli.csv says what it shows."),
    "image": Column("text", "Path of the photograph below the imported folder."),
    "label": Column("text", "Name of the class that was asked about."),
    "participant": Column("text", "Random identifier of the participant."),
    "visit": Column("integer", "1 for what the participant met in their first visit."),
    "position": Column("integer", "1 for the first stimulus the participant was given."),
    "role": Column("text", "main; gold or practice for a check, whose answer is known and is never counted."),
    "answer": Column("text", "What was said; empty when the stimulus was shown and not answered."),
    "correct": Column("integer", "Of a check: 1 when it was answered right, else 0; empty for main trials."),
    "counted": Column("integer", "1 when the answer fills one of the wanted places of its panel, else 0."),
    "exclusion": Column("text", "Why an answer does not count; empty when it does."),
    "presented_at": Column("moment", "When the stimulus was first shown, by the server's clock (UTC, ISO 8601)."),
    "answered_at": Column("moment", "When the answer arrived, by the server's clock (UTC, ISO 8601)."),
    "response_ms": Column("integer", "Milliseconds from the picture painted to the answer, as the page measured them."),
    "server_ms": Column("integer", "Milliseconds from presented_at to answered_at."),
    "away_ms": Column("integer", "Of response_ms, how long the page was hidden or its window without focus."),
    "hidden_count": Column("integer", "How often the page became hidden between the picture painted and the answer."),
    "blur_count": Column("integer", "How often its window lost the focus between the picture painted and the answer."),
    "simulated": Column("integer", "1 when the participant was a simulated one, else 0."),
}
PARTICIPANTS = {
    "study": Column("text", "Short name of the study."),
    "participant": Column("text", "Random identifier of the participant."),
    "number": Column("integer", "1 for the first to agree; with the seed it gives the order of conditions and checks."),
    "consent_version": Column("integer", "Which version of the consent text they agreed to."),
    "consent_sha256": Column("text", "SHA-256 of that text, in UTF-8."),
    "consented_at": Column("moment", "When they agreed (UTC, ISO 8601)."),
    "started_at": Column("moment", "When they left the instructions (UTC, ISO 8601)."),
    "finished_at": Column("moment", "When they had nothing left to do (UTC, ISO 8601)."),
    "screened_out_at": Column("moment", "When too many of their gold trials had gone wrong (UTC, ISO 8601)."),
    "excluded_at": Column("moment", "When a researcher excluded them; none of their answers counts (UTC, ISO 8601)."),
    "exclusion_reason": Column("text", "Why, as the researcher wrote it; empty where they were not excluded."),
    "arm": Column("text", "Condition of their last visit; empty where people meet all conditions in one."),
    "visits": Column("integer", "How many visits they began."),
    "returns_at": Column("moment", "Between visits: when the next one may begin (UTC, ISO 8601)."),
    "presented": Column("integer", "How many stimuli they were shown."),
    "answered": Column("integer", "How many of them they answered."),
    "counted": Column("integer", "How many of their answers count."),
    "gold": Column("integer", "How many gold trials they answered."),
    "gold_correct": Column("integer", "How many of these they answered right."),
    "background": Column("json", "What they said about themselves, by question."),
    "comments": Column("text", "What they had to say in the end."),
    "withdrawn": Column("integer", "1 when they withdrew, else 0."),
    "simulated": Column("integer", "1 when the participant was a simulated one, else 0."),
}
LOOKS = {
    "study": Column("text", "Short name of the study."),
    "looked_at": Column("moment", "When somebody saw outcomes while answers still came in (UTC, ISO 8601)."),
    "way": Column("text", "The command that told them."),
    "counted_answers": Column("integer", "How many answers counted then."),
    "participants": Column("integer", "How many people had agreed by then."),
}
STIMULI = {
    "study": Column("text", "Short name of the study."),
    "condition": Column("text", "Arm of the study the stimulus belongs to."),
    "stimulus": Column("integer", "Number of the stimulus."),
    "role": Column("text", "main; gold, practice or example for a check, whose answer is known: truth.expected."),
    "image": Column("text", "Path of the photograph below the imported folder."),
    "label": Column("text", "Name of the class that was asked about."),
}
#: After what the protocol knows of a stimulus.
STIMULI_END = {
    "counted_answers": Column("integer", "How many answers count."),
    "shown": Column("json", "All that its page was given."),
    "truth": Column("json", "All that is known about it, which the page was not given."),
    "digest": Column("text", "SHA-256 of the canonical JSON of condition, shown and truth, and of a check's role."),
}


def of_stimuli(study: Study) -> dict[str, Column]:
    """The columns of stimuli.csv; what is known of a stimulus differs between protocols."""
    known = protocols.get(study.protocol).known
    return STIMULI | {name: Column("text", what) for name, what in known.items()} | STIMULI_END
