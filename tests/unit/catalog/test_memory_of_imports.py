"""What importing photographs as cameras write them takes: one is decoded at a time, and twice in memory at most."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]

#: In a process of its own, whose peak is the import's alone.
PROGRAM = """
import json, sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from studies.models import Image

def megabytes(what):
    return int(Path("/proc/self/status").read_text().partition(what + ":")[2].split()[0]) / 1024

call_command("migrate", verbosity=0)
call_command("import_images", "warm", sys.argv[1], verbosity=0)
Path("/proc/self/clear_refs").write_text("5")
before = megabytes("VmRSS")
call_command("import_images", "things", sys.argv[2], verbosity=0)
n = Image.objects.filter(image_set__name="things").count()
sys.stderr.write(json.dumps({"images": n, "megabytes": megabytes("VmHWM") - before}))
"""

#: Pixels of one photograph by default, bytes that decoding may take of each (docs/reference/settings.md), and what else
#: is in memory then: the bytes of the file, and what the allocator keeps.
MOST_PIXELS, BYTES_A_PIXEL, FILE_MB, SPARE_MB = 50_000_000, 6, 64, 16
MOST_MB = MOST_PIXELS * BYTES_A_PIXEL / 2**20 + FILE_MB + SPARE_MB

SIZES = {25: (5776, 4336), 48: (8064, 6048)}


def photograph(megapixels: int, seed: int) -> Image.Image:
    """Of so many megapixels, rough enough for its file to be as large as a camera's."""
    small = Image.effect_noise((1008 + seed, 756), 60).convert("RGB")
    return small.resize(SIZES[megapixels])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="NOT RUN: this system tells no peak of memory")
def test_photographs_of_25_to_48_megapixels_take_no_more_than_one_of_them_may(tmp_path):
    folder, warm = tmp_path / "photographs", tmp_path / "warm"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (warm / name).mkdir(parents=True)
        photograph(25, len(name)).crop((0, 0, 64, 64 + ord(name))).save(warm / name / "small.jpg")
    sideways = Image.Exif()
    sideways[0x0112] = 6
    photograph(25, 2).save(folder / "a" / "progressive.jpg", quality=92, progressive=True)
    photograph(48, 3).save(folder / "a" / "sideways.jpg", quality=85, exif=sideways)
    photograph(48, 4).save(folder / "b" / "lossless.png", compress_level=1)
    # Of one colour, since to write this format takes a minute otherwise; to read it takes the same memory.
    pillow_heif.from_pillow(Image.new("RGB", SIZES[25], "grey")).save(folder / "b" / "phone.heic", quality=30)
    assert max(path.stat().st_size for path in folder.rglob("*.*")) < FILE_MB * 2**20
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(warm), str(folder)],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stderr.splitlines()[-1])
    assert found["images"] == 4
    assert 25 * 3 < found["megabytes"] < MOST_MB
