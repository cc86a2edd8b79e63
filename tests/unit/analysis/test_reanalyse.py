"""Answers collected elsewhere are read from a CSV file, analysed, or refused with the line that is wrong."""

import json

import pytest
from django.core.management import CommandError, call_command

PEOPLE = 12
SIZES = {"population": 100, "errors": 12}
KEYS = {
    "answers",
    "participants",
    "stimuli",
    "panel",
    "histogram",
    "threshold_curve",
    "yes_share",
    "accepted_share",
    "agreement",
    "rectified_error",
    "dawid_skene",
}


@pytest.fixture
def answers(tmp_path):
    """Twelve stimuli, five of twelve people each; stimulus s gets min(s, 5) yes."""
    path = tmp_path / "answers.csv"
    rows = [f"p{(s + i) % PEOPLE},s{s},{'yes' if i < min(s, 5) else 'no'}" for s in range(12) for i in range(5)]
    path.write_text("participant,stimulus,answer\n" + "\n".join(rows) + "\n")
    return path


def reanalyse(path, **options) -> dict:
    target = path.parent / "result.json"
    call_command("reanalyse", str(path), json=target, **options)
    return json.loads(target.read_text())


def test_the_file_has_everything_the_contract_names(answers):
    found = reanalyse(answers, population=100, errors=12)
    assert set(found) == KEYS
    assert (found["answers"], found["participants"], found["stimuli"], found["panel"]) == (60, 12, 12, 5)
    assert found["histogram"] == [1, 1, 1, 1, 1, 7]
    assert found["threshold_curve"] == [1.0, 11 / 12, 10 / 12, 9 / 12, 8 / 12, 7 / 12, 0.0]
    assert found["accepted_share"]["estimate"] == 8 / 12
    assert {"low", "high", "standard_error", "effective_participants", "method", "wilson"} <= set(
        found["accepted_share"]
    )
    assert {"raw", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"} <= set(found["agreement"])
    assert found["rectified_error"]["estimate"] == pytest.approx(0.12 * (1 - 8 / 12))


def test_the_order_of_rows_changes_nothing(answers):
    before = reanalyse(answers)
    header, *rows = answers.read_text().splitlines()
    answers.write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert reanalyse(answers) == before


def test_the_threshold_can_be_chosen(answers):
    assert reanalyse(answers, threshold=5)["accepted_share"]["estimate"] == 7 / 12


def test_columns_and_words_can_be_named(answers):
    answers.write_text(
        answers.read_text().replace("participant,stimulus,answer", "worker,item,said").replace("yes", "ja")
    )
    named = {"participant_column": "worker", "stimulus_column": "item", "answer_column": "said", "yes": ["ja"]}
    assert reanalyse(answers, **named)["yes_share"] == 45 / 60


def test_a_batch_of_mechanical_turk_is_read(tmp_path):
    path = tmp_path / "batch.csv"
    rows = [f'"h{s}","w{(s + i) % PEOPLE}","Approved","9","{int(i < s % 6)}"' for s in range(12) for i in range(5)]
    rows.append('"h0","w11","Rejected","9","1"')
    path.write_text(
        "\n".join(['"HITId","WorkerId","AssignmentStatus","WorkTimeInSeconds","Answer.relevant"', *rows]) + "\n"
    )
    assert reanalyse(path, mturk=True, answer_column="Answer.relevant")["answers"] == 60
    with pytest.raises(CommandError, match="no column 'Worker'"):
        reanalyse(path, mturk=True, answer_column="Answer.relevant", participant_column="Worker")


def test_panels_of_another_size_are_never_mixed_in_silently(answers, capsys):
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:-1]))
    found = reanalyse(answers)
    assert (found["accepted_share"]["denominator"], found["accepted_share"]["panels"]["short"]) == (11, 1)
    assert "1 panels have fewer answers and 0 more: panels of another size are left out" in capsys.readouterr().out
    assert reanalyse(answers, unequal="proportion")["accepted_share"]["denominator"] == 12
    waiting = reanalyse(answers, unequal="top_up")
    assert waiting["accepted_share"]["estimate"] is None
    assert waiting["threshold_curve"] == [None] * 7
    assert reanalyse(answers, panel=4)["accepted_share"]["denominator"] == 1


def test_without_the_images_the_rectified_error_has_every_key_and_the_reason(answers):
    known, unknown = (reanalyse(answers, **counts)["rectified_error"] for counts in (SIZES, {}))
    assert {"estimate", "low", "high", "standard_error", "wilson", "curve", "reason"} <= set(known) & set(unknown)
    assert [unknown[name] for name in ("estimate", "low", "high", "curve")] == [None] * 4
    assert "number of images" in unknown["reason"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("participant,stimulus\np,s\n", "no column 'answer'"),
        ("participant,stimulus,answer\np,s,maybe\n", "line 2"),
        ("participant,stimulus,answer\np,s,yes\nq,s,yes\np,s,no\n", "line 4"),
        ("participant,stimulus,answer\np,s\n", "line 2"),
        ('participant,stimulus,answer\n=cmd|"x",s,yes\np,s,=1+1\n', "line 3"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        call_command("reanalyse", str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_or_nowhere_is_refused(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_bytes("participant,stimulus,answer\nJürgen,s,yes\n".encode("latin-1"))
    with pytest.raises(CommandError, match="UTF-8"):
        call_command("reanalyse", str(path))
    with pytest.raises(CommandError, match=r"none\.csv"):
        call_command("reanalyse", str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("rows", "undefined"),
    [
        ([f"p{i},s,yes" for i in range(5)], "low"),
        ([f"p,s{i},{'yes' if i % 2 else 'no'}" for i in range(6)], "low"),
        ([f"p{i},s{s},yes" for s in range(4) for i in range(5)], "low"),
    ],
    ids=["one stimulus", "one participant", "all yes"],
)
def test_what_is_still_defined_is_told_and_the_rest_has_a_reason(tmp_path, rows, undefined):
    path = tmp_path / "answers.csv"
    path.write_text("participant,stimulus,answer\n" + "\n".join(rows) + "\n")
    found = reanalyse(path)
    assert found["accepted_share"]["estimate"] is not None
    assert found["accepted_share"][undefined] is None
    assert found["accepted_share"]["reason"]


def test_half_a_population_and_a_threshold_above_the_panel_are_refused(answers):
    with pytest.raises(CommandError, match="both the population and the errors"):
        call_command("reanalyse", str(answers), population=100)
    with pytest.raises(CommandError, match="threshold"):
        call_command("reanalyse", str(answers), threshold=6)
