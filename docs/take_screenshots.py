"""Takes the pictures of docs/tutorial/first-study.md: `python docs/take_screenshots.py`, some minutes.

It follows the tutorial in a real browser, on an installation of its own in a temporary folder. Where a page no longer
says what the tutorial tells people to click, it stops there. Chromium is looked for as the tests look for it.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from tests import requirements  # noqa: E402
from tests.browser.conftest import FLAGS  # noqa: E402

PICTURES = DOCS / "images" / "tutorial"
WIDTH, HEIGHT = 1280, 800
COLOURS = 128
PATIENCE_MS = 300_000  # a worker prepares meanwhile


@dataclass(frozen=True)
class Material:
    """What the tutorial brings in: its reader's own would do as well."""

    archive: Path
    module: Path
    factory: str
    checkpoint: Path
    mean: str = "0.485, 0.456, 0.406"
    std: str = "0.229, 0.224, 0.225"


@dataclass
class Installation:
    """A fresh one, in a folder of its own, with the module folder that the tutorial sets up."""

    folder: Path
    modules: Path
    environment: dict[str, str] = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        own = {"DATA_DIR": self.folder, "PORT": port, "SITE_URL": self.url, "MODULE_FOLDERS": self.modules}
        self.environment = {**os.environ, **{name: str(value) for name, value in own.items()}}

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = [sys.executable, "-m", "honcho", "start"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        try:
            for _ in range(300):
                try:
                    httpx.get(self.url)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def toybox_material(folder: Path) -> Material:
    """As the tutorial has its reader make it."""
    for command in (
        ["-m", "toybox", "draw", "toys", "--seed", "7", "--images-per-class", "30"],
        ["-m", "zipfile", "-c", "toys.zip", "toys"],
    ):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)
    mine = folder / "mine"
    mine.mkdir()
    for name in ("network.py", "toybox.safetensors"):
        shutil.copy(ROOT / "toybox" / name, mine)
    return Material(folder / "toys.zip", mine / "network.py", "toybox_net", mine / "toybox.safetensors")


def keep(page: Page, name: str) -> None:
    """What the window shows, with few colours."""
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    picture = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(PICTURES / name, optimize=True)
    print(f"{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB", flush=True)


def take_part(page: Page, link: str, answers: int) -> None:
    page.goto(link)
    page.get_by_role("button", name="I agree and want to take part").click()
    page.get_by_role("button", name="Begin").click()
    for number in range(1, answers + 1):
        expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} of "))
        page.locator("form.painted").wait_for()
        if number < answers:
            page.get_by_role("button", name="Yes" if number % 2 else "No").click()


def log_in(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.url}/admin/")
    page.get_by_label("Username").fill("researcher")
    page.get_by_label("Password").fill((installation.folder / "researcher_password").read_text())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="What is in the picture?")).to_be_visible()


def bring_in_images(page: Page, material: Material) -> None:
    page.get_by_role("link", name="Image sets").first.click()
    page.get_by_role("link", name="Add an image set").click()
    page.get_by_label("Short name").fill("mine")
    page.get_by_label("A zip archive").set_input_files(material.archive)
    page.get_by_role("button", name="Look at the files").click()
    expect(page.get_by_text("It is there.")).to_be_visible()


def bring_in_classifier(page: Page, material: Material) -> None:
    page.get_by_role("link", name="Classifiers").first.click()
    page.get_by_role("link", name="Add a classifier").click()
    page.get_by_label("Short name").fill("mine")
    page.get_by_label("Image set").select_option("mine")
    page.get_by_label("Or a module on the server").select_option(str(material.module))
    page.get_by_label("Factory").fill(material.factory)
    page.get_by_label("Checkpoint").select_option(str(material.checkpoint))
    page.get_by_label("Mean").fill(material.mean)
    page.get_by_label("Standard deviation").fill(material.std)
    keep(page, "classifier.png")
    page.get_by_role("button", name="Import it").click()


def look_at_mistakes(page: Page) -> None:
    page.get_by_role("link", name="See how mine does").click()
    expect(page.get_by_role("heading", name="Confused most often")).to_be_visible()
    keep(page, "mistakes.png")


def design(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.url}/admin/")
    page.get_by_role("link", name="Add a study").click()
    page.get_by_label("Title").fill("My first study")
    expect(page.get_by_label("Short name")).to_have_value("my-first-study")
    page.get_by_text("Rectified labelling").click()
    page.get_by_role("button", name="Next: its design").click()
    page.get_by_label("Classifier").select_option("mine")
    page.get_by_label("Sample").fill("20")
    page.get_by_label("Trials per participant").fill("8")
    keep(page, "design.png")
    page.get_by_label("Example").check()
    page.get_by_label("Practice").fill("2")
    page.get_by_label("Gold", exact=True).fill("2")
    page.get_by_role("button", name="Create the study").click()
    expect(page.get_by_text("My first study is a draft now. Prepare it next.")).to_be_visible()


def prepare_and_open(page: Page) -> str:
    """The link for participants."""
    page.get_by_role("button", name="Prepare").click()
    expect(page.get_by_role("link", name="Open …")).to_be_visible()
    keep(page, "ready.png")
    page.get_by_role("link", name="Preview").click()
    while not page.locator("form.painted").count():
        page.get_by_role("link", name="Next", exact=True).click()
        page.wait_for_load_state("networkidle")
    keep(page, "preview.png")
    page.get_by_role("link", name="Back to the study").click()
    page.get_by_role("link", name="Open …").click()
    keep(page, "opening.png")
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("The study is open: people with the link can take part.")).to_be_visible()
    return page.locator("#participant-link").inner_text()


def close_and_download(page: Page, study: str, folder: Path) -> Path:
    page.goto(study)
    page.get_by_role("link", name="Close …").click()
    page.get_by_role("button", name="Close the study").click()
    expect(page.get_by_text("The study is closed. Here are its results.")).to_be_visible()
    keep(page, "results.png")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(downloading.value.path()) as archive:
        archive.extractall(folder)
    return folder / "my-first-study"


def answer_some(page: Page, link: str) -> None:
    """Two practice trials, then eight stimuli and two gold trials."""
    page.goto(link)
    page.get_by_role("button", name="I agree and want to take part").click()
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    keep(page, "instructions.png")
    page.get_by_role("button", name="Begin").click()
    for _ in range(2):
        page.locator("form.painted").wait_for()
        page.get_by_role("button", name="Yes").click()
        page.get_by_role("button", name="Go on").click()
    for number in range(1, 11):
        expect(page.locator(".count")).to_have_text(re.compile(rf"^{number} of "))
        page.locator("form.painted").wait_for()
        page.get_by_role("button", name="Yes" if number % 2 else "No").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def follow(page: Page, installation: Installation, material: Material) -> str:
    """The whole tutorial; gives what recompute.py printed in the end."""
    take_part(page, re.search(r"Take part\s+(\S+)", installation.manage("demo"))[1], answers=3)
    keep(page, "question.png")
    log_in(page, installation)
    keep(page, "desk.png")
    bring_in_images(page, material)
    bring_in_classifier(page, material)
    look_at_mistakes(page)
    design(page, installation)
    study = page.url
    answer_some(page, prepare_and_open(page))
    print(installation.manage("simulate", "my-first-study", "--participants", "20", "--seed", "1"))
    folder = close_and_download(page, study, installation.folder / "downloaded")
    recompute = [sys.executable, "recompute.py"]
    return subprocess.run(recompute, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    # A name that can be shown, since a page does show it; mkdir fails where somebody else's is there.
    place = Path(tempfile.gettempdir()) / "first-study"
    place.mkdir()
    try:
        take_all(place)
    finally:
        shutil.rmtree(place)


def take_all(place: Path) -> None:
    with sync_playwright() as playwright:
        material = toybox_material(place)
        installation = Installation(place / "data", material.module.parent)
        installation.manage("demo")
        with installation.serving():
            browser = playwright.chromium.launch(executable_path=requirements.chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", locale="en")
            page.set_default_timeout(PATIENCE_MS)
            print(follow(page, installation, material))
            browser.close()


if __name__ == "__main__":
    main()
