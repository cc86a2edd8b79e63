"""The columns of the export, each described once: its data dictionary and its reference page are made from this."""

from typing import Literal, NamedTuple

from studies import protocols
from studies.models import Study
from studies.results import frames

#: Of what is recorded only where the design's record_display is on.
IF_CONSENTED = "empty unless the consent text says that it is recorded"


class Column(NamedTuple):
    """What a column holds.  `kind` decides how it is written: moments are UTC, JSON is one cell of text."""

    kind: Literal["text", "integer", "number", "moment", "json"]
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
    "server_ms": Column("integer", "Milliseconds from presented_at to answered_at; empty where times were erased."),
    "away_ms": Column("integer", "Of response_ms, how long the page was hidden or its window without focus."),
    "hidden_count": Column("integer", "How often the page became hidden between the picture painted and the answer."),
    "blur_count": Column("integer", "How often its window lost the focus between the picture painted and the answer."),
    "translated": Column(
        "integer", "1 when the browser had translated the page, else 0; empty where no script looked."
    ),
    "shown_width": Column("number", f"How wide the picture asked about was shown, in CSS pixels; {IF_CONSENTED}."),
    "shown_height": Column("number", f"How high it was shown, in CSS pixels; {IF_CONSENTED}."),
    "smallest_width": Column(
        "number", f"How wide the smallest picture of the page was shown, in CSS pixels; {IF_CONSENTED}."
    ),
    "pixel_ratio": Column(
        "number", f"Pixels of the screen for a CSS pixel, which zooming by the menu changes; {IF_CONSENTED}."
    ),
    "zoom": Column("number", f"How much the page was zoomed by two fingers, 1 for not at all; {IF_CONSENTED}."),
    "browser": Column("text", f"Family and version of the browser, and the system; {IF_CONSENTED}."),
    "evidence": Column("json", f"How the answer was given, as the page saw it; {IF_CONSENTED}."),
    "simulated": Column("integer", "1 when the participant was a simulated one, else 0."),
}
PARTICIPANTS = {
    "study": Column("text", "Short name of the study."),
    "participant": Column("text", "Random identifier of the participant."),
    "number": Column(
        "integer",
        "1 for the first to agree; decides their order, with the seed. Empty once erased.",
    ),
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
    "evidence": Column(
        "json", f"Their browser as it was first seen, and a tally of how they answered; {IF_CONSENTED}."
    ),
    "flags": Column("json", "Signals of a program that answers, by their names; empty like evidence."),
    "withdrawn": Column("integer", "1 when they withdrew, else 0."),
    "simulated": Column("integer", "1 when the participant was a simulated one, else 0."),
}
ANSWERING = {
    "study": Column("text", "Short name of the study."),
    "participant": Column("text", "Random identifier of the participant."),
    "counted_answers": Column("integer", "How many of their answers count; the rest of the row is of these."),
    "median_seconds": Column("number", "Median of their response times by the page's clock; empty where none has one."),
    "yes_share": Column("number", "Share of yes; empty where answers are not yes and no."),
    "longest_run": Column("integer", "Longest run of one answer, in the order in which they met the stimuli."),
    "run_chance": Column("number", "A bound on the chance of a run of that answer as long."),
    "straight_lining": Column("integer", "1 where that chance is below 0.001; flagged, not excluded."),
    "agreement": Column("number", "Mean share of the others' answers to the same stimuli that are the same."),
    "dawid_skene_error": Column(
        "number",
        "Chance that they call a stimulus what Dawid and Skene's model does not; empty where the model is withheld.",
    ),
    "simulated": Column("integer", "1 when the participant was a simulated one, else 0."),
}
POSTERIORS = {
    "study": Column("text", "Short name of the study."),
    "condition": Column("text", "Arm of the study the stimulus belongs to."),
    "stimulus": Column("integer", "Number of the stimulus; stimuli.csv says what it shows."),
    "counted_answers": Column("integer", "How many answers count."),
    "yes_answers": Column("integer", "How many of them are yes; empty where answers are not yes and no."),
    "posterior": Column("number", "Chance that it is positive by Dawid and Skene's model; empty where withheld."),
    "withheld": Column("text", "Why there is no posterior: no agreement beyond chance, or other answers."),
}
LOOKS = {
    "study": Column("text", "Short name of the study."),
    "looked_at": Column("moment", "When outcomes were looked at while answers still came in (UTC, ISO 8601)."),
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
#: Of a study that extends another.
TAKEN_OVER = Column("text", "Short name of the closed study that the answer was taken over from; empty for new ones.")
#: Of a classifier among several that share their questions.
VERDICTS = (
    "“wrong” where this row is an error of it; “right” where it gets the image right; else “wrong:” and its own guess."
)
#: After what the protocol knows of a stimulus.
STIMULI_END = {
    "counted_answers": Column("integer", "How many answers count."),
    "shown": Column("json", "All that its page was given."),
    "truth": Column("json", "All that is known about it, which the page was not given."),
    "digest": Column("text", "SHA-256 of the canonical JSON of condition, shown and truth, and of a check's role."),
}
PHOTOGRAPHS = {
    "image_set": Column("text", "Short name of the image set."),
    "image": Column("text", "Path of the photograph below the imported folder."),
    "class": Column("text", "Name of its true class."),
    "sha256": Column("text", "SHA-256 of its file."),
    "width": Column("integer", "Width in pixels, upright."),
    "height": Column("integer", "Height in pixels, upright."),
    "objects": Column("json", "Annotated objects: class and box (left, top, right, bottom) in pixels."),
}
PICTURES = {
    "study": Column("text", "Short name of the study."),
    "stimulus": Column("integer", "Number of the stimulus; stimuli.csv says what it shows."),
    "place": Column("integer", "1 for the first of its pictures."),
    "picture": Column("text", "Name of the file in pictures/."),
    "sha256": Column("text", "SHA-256 of the picture's file."),
    "computations": Column("json", "Digests of the computations it came from, the latest step first."),
    "photographs": Column("json", "Path and SHA-256 of each photograph it goes back to."),
}
COMPUTATIONS = {
    "study": Column("text", "Short name of the study."),
    "computation": Column("text", "SHA-256 of the canonical JSON of the recipe."),
    "kind": Column("text", "Kind of computation."),
    "kind_version": Column("integer", "Version of this kind."),
    "method": Column("text", "Name of the method, where one is used."),
    "method_version": Column("integer", "Version of the method."),
    "classifier": Column("text", "Digest of the classifier; study.json has it."),
    "photograph": Column("text", "SHA-256 of the photograph it began with, where it began with one."),
    "seed": Column("integer", "Seed of the computation, where it has one of its own."),
    "seconds": Column("number", "How long it took."),
    "recipe": Column("json", "All that the result depends on."),
    "files": Column("json", "Names of the files it gave."),
}
QUESTIONS = {
    "study": Column("text", "Short name of the study."),
    "stimulus": Column("integer", "Number of the stimulus; stimuli.csv says what it shows."),
    "condition": Column("text", "Arm of the study the stimulus belongs to."),
    "role": Column("text", "main; or gold, practice, example or training."),
    "language": Column("text", "Language of the page: en, fr or de."),
    "step": Column("integer", "1; 2 for the second page of a stimulus that is asked about twice."),
    "question": Column("text", "The question as participants read it."),
    "glosses": Column("json", "What was said beside it of the classes."),
    "answers": Column("json", "The answers offered: their value in answers.csv, and their label."),
    "parts": Column("json", "What was asked beside the decision."),
}
LOG = {
    "study": Column("text", "Short name of the study."),
    "at": Column("moment", "When it was done (UTC, ISO 8601)."),
    "who": Column("text", "A researcher by number, or what ran without an account."),
    "what": Column("text", "What was done."),
    "details": Column("json", "What was changed; empty where it names people."),
}


def of_answers(study: Study) -> dict[str, Column]:
    """The columns of answers.csv: those of every study, then what its protocol adds, then the parts of its answers."""
    added = {name: Column(kind, what) for name, (kind, what) in protocols.get(study.protocol).answer_columns.items()}
    parts = {part.name: Column(part.column, part.meaning) for part in frames.parts_of(study)}
    taken_over = {"taken_over": TAKEN_OVER} if study.extends_id else {}
    return ANSWERS | added | parts | _of_classifiers(study) | taken_over


def _of_classifiers(study: Study) -> dict[str, Column]:
    """A column for each classifier that shares the questions."""
    compared = protocols.get(study.protocol).compared_classifiers(study.design)
    return {f"classifier_{name}": Column("text", f"What {name} got: {VERDICTS}") for name in compared}


def of_stimuli(study: Study) -> dict[str, Column]:
    """The columns of stimuli.csv; what is known of a stimulus differs between protocols."""
    columns_of_truth = protocols.get(study.protocol).truth_columns
    known = {name: Column("text", what) for name, what in columns_of_truth.items()}
    return STIMULI | known | _of_classifiers(study) | STIMULI_END
