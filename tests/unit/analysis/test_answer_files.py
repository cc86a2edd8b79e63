"""Answers collected elsewhere: what is read, and that every complaint names the line."""

import io

import numpy as np
import pytest

from studies.analysis.answer_files import read_answers, read_mturk
from studies.analysis.answers import AnswersError

HEADER = "participant,stimulus,answer\n"


def read(text, **settings):
    return read_answers(io.BytesIO(text if isinstance(text, bytes) else text.encode()), **settings)


def test_answers_are_read_in_the_order_of_the_file():
    found = read("seconds,answer,participant,note,stimulus\n1.5,YES,ann,x,a.png\n, no ,bob,y,a.png\n3,1,bob,z,NA\n")
    assert found.participant_names[found.participant].tolist() == ["ann", "bob", "bob"]
    assert found.stimulus_names[found.stimulus].tolist() == ["a.png", "a.png", "NA"]
    assert found.answer.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(found.seconds, [1.5, np.nan, 3])
    assert found.condition is None


def test_one_person_may_meet_a_stimulus_in_each_condition():
    found = read("participant,stimulus,answer,condition\na,x,1,whole\na,x,0,explanation\nb,x,1,whole\n")
    assert [(name, len(answers)) for name, answers in found.by_condition()] == [("whole", 2), ("explanation", 1)]


@pytest.mark.parametrize("text", ["\ufeff" + HEADER + "a,x,1\r\n", HEADER.replace("\n", "\r\n") + '"a","x","1"'])
def test_byte_order_marks_carriage_returns_and_quotes_are_read(text):
    assert len(read(text)) == 1


def test_a_cell_that_a_spreadsheet_would_run_is_a_name_like_any_other():
    found = read(HEADER + '"=HYPERLINK(""http://x"")",@x,1\n')
    assert found.participant_names.tolist() == ['=HYPERLINK("http://x")']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (HEADER, "no answers"),
        ("participant,answer\na,1\n", "line 1: no column 'stimulus' among 'participant', 'answer'"),
        ("participant;stimulus;answer\na;x;1\n", "is it separated by semicolons?"),
        ("participant,stimulus,answer,answer\na,x,1,0\n", "line 1: two columns are called 'answer'"),
        (HEADER + "a,x,1\nb,x,maybe\n", "line 3: the answer is 'maybe', not one of yes, 1, no, 0"),
        (HEADER + "a,x,1\nb,x,=1\n", "line 3: the answer is '=1'"),
        (HEADER + "a,x,1\n\nb,x,\n", "line 4: the answer is ''"),
        (HEADER + '"a\nb",x,1\nb,x,2\n', "line 4: the answer is '2'"),
        (HEADER + "a,x,1\n ,x,1\n", "line 3: the participant is empty"),
        (HEADER + "a,,1\n", "line 2: the stimulus is empty"),
        (HEADER + "a,x,1\nb,x,0\na ,x,0\n", "line 4: participant 'a' answers stimulus 'x' a second time"),
        (HEADER + "a,x,1\nb,x\n", "line 3: 2 cells where the header has 3"),
        (HEADER + "a,x,1,2\n", "line 2: 4 cells where the header has 3"),
        ("participant,stimulus,answer,seconds\na,x,1,soon\n", "line 2: seconds is 'soon'"),
        ("participant,stimulus,answer,seconds\na,x,1,-1\n", "line 2: seconds is '-1'"),
        (HEADER.encode() + "ä,x,1\n".encode("latin-1"), "line 2: byte 0xe4 is not UTF-8"),
        ((HEADER + "a,x,1\n").encode("utf-16"), "UTF-16"),
        (b"participant,stimulus\n\0\0", "line 2: not text"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_number(text, message):
    with pytest.raises(AnswersError) as error:
        read(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_path_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(AnswersError, match="cannot be read: No such file"):
        read_answers(tmp_path / "absent.csv")
    (tmp_path / "here.csv").write_text(HEADER + "a,x,yes\nb,x,nay\n")
    with pytest.raises(AnswersError, match=r"here\.csv, line 3: the answer is 'nay'"):
        read_answers(tmp_path / "here.csv")


def test_columns_words_and_delimiter_can_be_named():
    found = read(
        "wer;was;ja?\na;x;ja\nb;x;nein\n",
        columns={"participant": "wer", "stimulus": "was", "answer": "ja?"},
        yes=["Ja"],
        no=["Nein"],
        delimiter=";",
    )
    assert found.answer.tolist() == [1, 0]
    with pytest.raises(AnswersError, match="no column 'who' to name"):
        read(HEADER + "a,x,1\n", columns={"who": "participant"})
    with pytest.raises(AnswersError, match="both yes and no"):
        read(HEADER + "a,x,1\n", no=["1"])


MTURK = (
    '"HITId","WorkerId","AssignmentStatus","WorkTimeInSeconds","Input.image","Answer.relevant"\n'
    '"H1","W1","Approved","12","a.png","yes"\n'
    '"H1","W2","Rejected","1","a.png","whatever"\n'
    '"H1","W3","Submitted","9","a.png","no"\n'
)


def test_mechanical_turks_results_are_read_without_rejected_assignments():
    found = read_mturk(io.BytesIO(MTURK.encode()), answer="Answer.relevant", stimulus="Input.image")
    assert found.participant_names.tolist() == ["W1", "W3"]
    assert found.participant.tolist() == [0, 1]
    assert found.stimulus_names.tolist() == ["a.png"]
    assert found.seconds.tolist() == [12, 9]


def test_complaints_about_selected_rows_still_name_the_line_of_the_file():
    with pytest.raises(AnswersError, match="line 3: the answer is 'whatever'"):
        read_mturk(io.BytesIO(MTURK.encode()), answer="Answer.relevant", statuses=["Rejected"])
    with pytest.raises(AnswersError, match="no row has AssignmentStatus Paid"):
        read_mturk(io.BytesIO(MTURK.encode()), answer="Answer.relevant", statuses=["Paid"])
