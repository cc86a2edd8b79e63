"""What is wrong with a list, a folder or its results is one line that names it, and nothing is done by halves."""

import json
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError

from studies import lifecycle
from studies.models import Artifact, Classifier, Image, Study
from tests import cluster_work
from tests.services.preparing import MARKED, make

pytestmark = pytest.mark.django_db

State = Artifact.State


@pytest.fixture(autouse=True)
def own_storage(settings, tmp_path):
    """Files that a test spoils are no other test's."""
    location = {"location": tmp_path / "media"}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": location}}


@pytest.fixture
def work(tmp_path) -> Path:
    """The list of a study's first round: predictions of six photographs."""
    make(tmp_path, images=5)
    cluster_work.list_work("study", tmp_path / "work.jsonl")
    return tmp_path / "work.jsonl"


@pytest.fixture
def out(work, tmp_path) -> Path:
    """The results of two shards."""
    for shard in ("1/2", "2/2"):
        assert cluster_work.compute_here(work, tmp_path / "out", shard) == 0
    return tmp_path / "out"


def refused(capsys, work: Path, out: Path, shard: str = "1/1", *options: str) -> str:
    capsys.readouterr()
    assert cluster_work.compute_here(work, out, shard, *options) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


# --- on a node --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["5/4", "0/4", "1", "1/0", "-1/4", "a/b", "1/100000", "1/4/2", "1.5/4"])
def test_a_shard_that_is_not_one_of_n_is_refused(work, tmp_path, capsys, shard):
    said = refused(capsys, work, tmp_path / "out", shard)
    assert f"--shard {shard}: must be I/N" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--threads", "0", "--threads 0: must be at least 1"),
        ("--limit", "-5", "--limit -5: must be at least 1"),
        ("--device", "cuda:7", "there is no device cuda:7 here"),
        ("--files", "/nowhere", "/nowhere is not a folder: --files says where"),
    ],
)
def test_an_option_that_cannot_be_is_refused(work, tmp_path, capsys, monkeypatch, option, value, said):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert said in refused(capsys, work, tmp_path / "out", "1/1", f"{option}={value}")


def test_a_photograph_that_is_missing_is_named_before_anything_is_computed(work, tmp_path, capsys):
    file = Image.objects.get(path=MARKED).file
    default_storage.delete(file)
    said = refused(capsys, work, tmp_path / "out")
    assert f"{file} is not in {tmp_path / 'media'}" in said
    assert len(cluster_work.entries(tmp_path / "out" / "shard-1-of-1.jsonl")) == 1


def test_a_photograph_that_was_changed_is_named(work, tmp_path, capsys):
    row = Image.objects.get(path=MARKED)
    other = Image.objects.exclude(path=MARKED).first()
    path = Path(default_storage.path(row.file))
    path.write_bytes(Path(default_storage.path(other.file)).read_bytes())
    said = refused(capsys, work, tmp_path / "out")
    assert f"{row.file} in " in said
    assert "was changed: its bytes have the SHA-256" in said


def test_another_network_than_the_listed_one_is_refused(work, tmp_path, capsys):
    lines = cluster_work.entries(work)
    (network,) = [line for line in lines if line["line"] == "network"]
    network["state_digest"] = "0" * 64
    cluster_work.rewrite(work, lines)
    said = refused(capsys, work, tmp_path / "out")
    assert "the weights of classifier small are no longer those that were imported" in said


def test_a_checkpoint_that_was_changed_is_named(work, tmp_path, capsys):
    name = Classifier.objects.get().source["checkpoint"]
    with Path(default_storage.path(name)).open("ab") as file:
        file.write(b"x")
    assert f"{name} in " in refused(capsys, work, tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [], "is empty: nothing is left to compute"),
        (lambda lines: lines[:-2], "is cut short: 4 of 6 recipes"),
        (lambda lines: lines[1:], "is not a list of work"),
        (lambda lines: [{**lines[0], "format": 2}, *lines[1:]], "has format 2; this program reads format 1"),
        (lambda lines: [*lines[:2], {**lines[2], "digest": "0" * 64}, *lines[3:]], "line 3: the recipe is not the one"),
        (lambda lines: [*lines, {"line": "dance"}], "is 'dance', which this program does not know"),
        (lambda lines: [*lines[:2], {**lines[2], "recipe": "x"}, *lines[3:]], "line 3: a recipe lacks something"),
        (lambda lines: [lines[0], {"line": "network"}, *lines[2:]], "line 2: a network lacks something"),
    ],
)
def test_a_list_that_is_not_whole_is_refused(work, tmp_path, capsys, spoil, said):
    cluster_work.rewrite(work, spoil(cluster_work.entries(work)))
    assert said in refused(capsys, work, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_list_that_is_not_there_or_no_json_is_refused(tmp_path, capsys, work):
    assert "none.jsonl: No such file" in refused(capsys, tmp_path / "none.jsonl", tmp_path / "out")
    work.write_text("hello\n")
    assert "line 1 is not a whole line" in refused(capsys, work, tmp_path / "out")


def test_a_list_of_another_version_of_a_kind_is_refused(work, tmp_path, capsys, monkeypatch):
    from explainers import computations

    monkeypatch.setattr(computations.get("prediction"), "version", 99)
    assert "the list wants version 2 of a prediction, and this program computes 99" in refused(
        capsys, work, tmp_path / "out"
    )


def test_a_folder_with_the_results_of_another_list_is_refused(out, work, tmp_path, capsys):
    before = (out / "shard-1-of-2.jsonl").read_bytes()
    cluster_work.rewrite(work, cluster_work.entries(work))
    work.write_text(work.read_text().replace('"study": "study"', '"study": "other"'))
    assert "is of another list of work" in refused(capsys, work, out, "1/2")
    assert (out / "shard-1-of-2.jsonl").read_bytes() == before


@pytest.mark.parametrize("line", ['{"digest": 1, "files": []}', '{"value": {}}'])
def test_an_index_that_somebody_else_wrote_is_left_alone(out, work, capsys, line):
    path = out / "shard-1-of-2.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0] + line + "\n")
    before = path.read_text()
    assert "is not an index of results" in refused(capsys, work, out, "1/2")
    assert path.read_text() == before


def test_two_processes_at_one_shard_are_one_too_many(work, out, capsys):
    import fcntl

    with (out / "shard-1-of-2.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process is at this shard" in refused(capsys, work, out, "1/2")


def test_what_cannot_be_computed_is_a_line_of_its_own_and_the_others_are_kept(tmp_path):
    make(tmp_path, images=70, fault="raising")
    work, out = tmp_path / "work.jsonl", tmp_path / "out"
    cluster_work.list_work("study", work)
    assert cluster_work.compute_here(work, out) == 0
    said = cluster_work.take(out)
    assert f"FAILED  {MARKED}: RuntimeError: cannot look at this" in said
    assert "70 results taken, 0 were here already, 1 could not be computed." in said
    with pytest.raises(CommandError, match=f"^{MARKED}: RuntimeError: cannot look at this$"):
        cluster_work.list_work("study", work)
    cluster_work.list_work("study", work, "--retry")
    assert cluster_work.entries(work)[0]["recipes"] == 1


# --- at the workbench -------------------------------------------------------------------------------------------------


def untaken(out: Path, *options: str) -> str:
    """Why it is refused; nothing was taken."""
    with pytest.raises(CommandError) as error:
        cluster_work.take(out, *options)
    assert not Artifact.objects.filter(state=State.DONE).exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_results_that_were_taken_are_taken_again_without_a_change(out):
    assert cluster_work.take(out).startswith("6 results taken, 0 were here already.")
    rows = list(Artifact.objects.order_by("pk").values())
    assert cluster_work.take(out).startswith("0 results taken, 6 were here already.")
    assert list(Artifact.objects.order_by("pk").values()) == rows


def test_results_that_differ_from_those_here_are_counted_and_not_taken(out):
    cluster_work.take(out)
    row = Artifact.objects.first()
    Artifact.objects.filter(pk=row.pk).update(value={**row.value, "true_probability": 0.5})
    assert "1 results differ from those here, which stay" in cluster_work.take(out)
    assert Artifact.objects.get(pk=row.pk).value["true_probability"] == 0.5


def test_a_shard_that_is_not_there_is_named_and_listed_again(out, work):
    for name in ("shard-2-of-2.jsonl", "shard-2-of-2.results"):
        (out / name).unlink()
    said = cluster_work.take(out)
    assert "NOT THERE  shards 2/2: list_work lists their results again." in said
    assert "3 results taken" in said
    cluster_work.list_work("study", work)
    assert cluster_work.entries(work)[0]["recipes"] == 3


def test_a_folder_without_results_is_refused(work, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "has no results" in untaken(tmp_path / "empty")
    assert "is not a folder" in untaken(tmp_path / "none")


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_a_shard_that_is_cut_is_refused_with_its_name_and_the_others_wait(out):
    cut(out / "shard-2-of-2.results", 0.5)
    assert f"{out}/shard-2-of-2.results is cut short" in untaken(out)


@pytest.mark.parametrize("share", [0, 0.2, 0.9])
def test_an_index_that_is_cut_is_refused_unless_it_is_wanted(out, share):
    cut(out / "shard-1-of-2.jsonl", share)
    assert "shard-1-of-2.jsonl is not finished" in untaken(out)
    if share == 0:
        assert "is not an index of results" in untaken(out, "--unfinished")
    else:
        kept = 0 if share == 0.2 else 2
        assert cluster_work.take(out, "--unfinished").startswith(f"{kept + 3} results taken")


def test_results_without_their_file_are_refused(out):
    (out / "shard-1-of-2.results").unlink()
    assert "shard-1-of-2.results is missing" in untaken(out)


def test_a_changed_byte_is_noticed(out):
    path = out / "shard-2-of-2.results"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "is damaged: a hidden is not what was written" in untaken(out)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line["value"].update(true_probability=1.0),
        lambda line: line["files"]["hidden"].update(suffix="/../../x"),
        lambda line: line.update(files={"hidden": {}}),
        lambda line: line.update(files=[1]),
        lambda line: line["files"]["hidden"].update(at=0.5),
        lambda line: line["value"].update(true_probability=float("nan")),
        lambda line: line.update(digest="x"),
        lambda line: line.pop("value"),
    ],
)
def test_a_changed_index_is_noticed(out, spoil):
    path = out / "shard-1-of-2.jsonl"
    lines = cluster_work.entries(path)
    spoil(lines[1])
    path.write_text("".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in lines))
    said = untaken(out)
    assert "was changed after it was written" in said or "is not an index of results" in said


def test_work_of_a_study_that_is_not_here_is_refused_by_its_name(out):
    Study.objects.all().delete()
    assert "is work of study study, which is not here" in untaken(out)


def test_results_that_were_never_listed_here_are_refused(out):
    digest = cluster_work.entries(out / "shard-2-of-2.jsonl")[1]["digest"]
    Artifact.objects.filter(digest=digest).delete()
    assert f"has the result {digest[:12]}…, which was never listed here" in untaken(out)


@pytest.mark.parametrize("state", [Study.State.OPEN, Study.State.CLOSED])
def test_a_study_that_is_no_draft_is_not_listed(work, tmp_path, state):
    Study.objects.update(state=state)
    with pytest.raises(CommandError, match=f"study study is {state}: only a draft can be prepared"):
        cluster_work.list_work("study", tmp_path / "again.jsonl")


def test_a_study_that_is_not_there_or_whose_design_cannot_be_made_is_one_line(work, tmp_path):
    with pytest.raises(CommandError, match="there is no study called other"):
        cluster_work.list_work("other", tmp_path / "again.jsonl")
    study = lifecycle.create_study(slug="gone", protocol="rectified_labeling", design={"classifier": "small"})
    Study.objects.filter(pk=study.pk).update(design={**study.design, "classifier": "gone"})
    with pytest.raises(CommandError, match="there is no classifier called gone"):
        cluster_work.list_work("gone", tmp_path / "again.jsonl")


def test_a_folder_that_files_cannot_be_copied_into_is_one_line(work, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"file: (Not a directory|File exists)"):
        cluster_work.list_work("study", tmp_path / "again.jsonl", "--files", str(tmp_path / "file"))
