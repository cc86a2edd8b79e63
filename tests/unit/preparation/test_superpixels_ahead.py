"""Superpixels are cut ahead, in other processes, and are the same as those cut when asked for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from explainers.computations import superpixels
from explainers.computations.superpixels import Ahead
from explainers.images import load
from explainers.superpixels import Segmenter, Slic, cache_key
from studies.models import Artifact
from studies.preparation import Bench
from tests.factories import make_image_set, make_picture
from tests.segmenter_probe import DEADLY, IMPOSSIBLE, Whose
from tests.small_networks import import_small

LIME = {"method": "lime", "parameters": {"n_samples": 20, "segmentation": "slic", "slic_n_segments": 12}}


@pytest.fixture
def ahead():
    ahead = Ahead(n_processes=2, kept=4)
    yield ahead
    ahead.close()


def picture(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, dtype=np.uint8)


def cut(ahead: Ahead, *pictures: np.ndarray, algorithm=None) -> list[np.ndarray]:
    return list(Segmenter(cache=ahead).segment(pictures, algorithm or Whose()))


def test_what_was_begun_is_cut_by_another_process_and_what_was_not_by_this_one(ahead):
    ahead.begin(picture(10), Whose())
    (begun,), (asked,) = cut(ahead, picture(10)), cut(ahead, picture(11))
    assert int(begun[0, 0]) != os.getpid()
    assert int(asked[0, 0]) == os.getpid()


def test_the_superpixels_are_those_cut_when_asked_for(ahead):
    pictures = [load(make_picture(seed, side=40)) for seed in range(3)]
    for one in pictures:
        ahead.begin(one, Slic())
    for one, segments in zip(pictures, cut(ahead, *pictures, algorithm=Slic()), strict=True):
        assert np.array_equal(segments, Slic().segment(one))


def test_a_picture_is_cut_once_for_each_algorithm(ahead):
    ahead.begin(picture(10), Whose())
    first = cut(ahead, picture(10))[0]
    ahead.begin(picture(10), Whose())
    assert cut(ahead, picture(10))[0] is first
    ahead.begin(picture(10), Slic())
    assert len(ahead) == 2


def test_only_the_latest_are_kept(ahead):
    for value in range(10, 30):
        ahead.begin(picture(value), Whose())
    assert len(ahead) == 4
    cut(ahead, *(picture(value) for value in range(10, 30)))
    assert len(ahead) == 4


def test_a_process_that_is_killed_costs_time_and_nothing_else(ahead):
    ahead.begin(picture(DEADLY), Whose())
    assert ahead.get(cache_key(picture(DEADLY), Whose())) is None
    ahead.begin(picture(10), Whose())
    ahead.begin(picture(11), Whose())
    (own,), (other,) = cut(ahead, picture(10)), cut(ahead, picture(11))
    assert int(own[0, 0]) == os.getpid()
    assert int(other[0, 0]) != os.getpid()


def test_a_picture_that_cannot_be_cut_says_so_when_it_is_asked_for(ahead):
    ahead.begin(picture(IMPOSSIBLE), Whose())
    ahead.begin(picture(10), Whose())
    with pytest.raises(ValueError, match="cannot be cut"):
        cut(ahead, picture(IMPOSSIBLE))
    assert int(cut(ahead, picture(10))[0][0, 0]) != os.getpid()


KILLED = """
import os, signal
import numpy as np
from explainers.superpixels import Segmenter
from tests.segmenter_probe import Whose

if __name__ == "__main__":
    import django
    django.setup()
    from explainers.computations.superpixels import Ahead
    ahead = Ahead(n_processes=1)
    picture = np.zeros((2, 2, 3), dtype=np.uint8)
    ahead.begin(picture, Whose())
    print(int(next(Segmenter(cache=ahead).segment([picture], Whose()))[0, 0]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_processes_end_with_a_worker_that_is_killed(tmp_path, settings):
    program = tmp_path / "killed.py"
    environment = {**os.environ, "PYTHONPATH": str(settings.BASE_DIR), "DJANGO_SETTINGS_MODULE": "config.settings"}
    program.write_text(KILLED)
    done = subprocess.run([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    process, until = Path("/proc") / done.stdout.strip(), time.monotonic() + 30
    while process.exists() and "Z" not in (process / "stat").read_text().split()[2] and time.monotonic() < until:
        time.sleep(0.05)
    assert not process.exists() or "Z" in (process / "stat").read_text().split()[2]


class Noting(Ahead):
    """Notes what it was asked for in vain, which the worker then cut itself."""

    def __init__(self, n_processes: int):
        super().__init__(n_processes)
        self.missed: list[str] = []

    def __getitem__(self, key: str) -> np.ndarray:
        try:
            return super().__getitem__(key)
        except KeyError:
            self.missed.append(key)
            raise


@pytest.mark.django_db
@pytest.mark.parametrize("n_processes", [0, 1])
def test_explanations_are_the_same_whoever_cuts(tmp_path, monkeypatch, n_processes):
    net = import_small("net", make_image_set("things", n_images=9).name, tmp_path).name

    def explained() -> list:
        Artifact.objects.all().delete()
        bench = Bench()
        questions = [(picture, picture.image.label) for picture in bench.pictures(net, bench.images(net))]
        return [(one.coefficients, one.picture, one.segments_file) for one in bench.explanations(net, questions, LIME)]

    expected = explained()
    noting = Noting(n_processes)
    monkeypatch.setattr(superpixels, "ahead", lambda: noting)
    monkeypatch.setattr(superpixels, "segmenter", lambda: Segmenter(cache=noting))
    assert explained() == expected
    noting.close()
    assert len(noting.missed) == (0 if n_processes else 9)
