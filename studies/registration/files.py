"""A registration as files: Markdown to paste, JSON for programs, PDF for whoever asks for one."""

import io
import json
import textwrap
from pathlib import Path

from studies.lib.errors import StudyError

from .answers import Registration

#: A4 in inches, its margin, and what fits on a page of it.
PAGE, MARGIN, LINE = (8.27, 11.69), 0.9, 0.19
LETTERS = 88
#: Characters that Markdown would take for its own.
SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>#|"})


def markdown(registered: Registration) -> str:
    """Both forms, one after the other."""
    lines = [f"# Preregistration: {registered.study.title.translate(SPECIAL)}", ""]
    lines += [f"Quorum study `{registered.study.slug}`, design SHA-256 `{registered.sha256}`.", ""]
    for form, answers in registered.answers.items():
        lines += [f"## {form}", ""]
        for question, answer in answers:
            lines += [f"### {question}", ""]
            for paragraph in answer:
                lines += [paragraph.translate(SPECIAL), ""]
    return "\n".join(lines)


def as_json(registered: Registration) -> str:
    return json.dumps(registered.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def pdf(registered: Registration) -> bytes:
    """Both forms on A4 pages; the same registration gives the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    file = io.BytesIO()
    fit = int((PAGE[1] - 2 * MARGIN) / LINE)
    rows = list(_rows(registered))
    with (
        rc_context({"font.family": ["DejaVu Sans"], "pdf.fonttype": 42}),
        PdfPages(file, metadata={"Title": f"Preregistration: {registered.study.title}", "CreationDate": None}) as pages,
    ):
        for start in range(0, len(rows), fit):
            sheet = Figure(figsize=PAGE)
            for at, (text, size, weight) in enumerate(rows[start : start + fit]):
                where = MARGIN / PAGE[0], 1 - (MARGIN + at * LINE) / PAGE[1]
                sheet.text(*where, text, fontsize=size, fontweight=weight, va="top", parse_math=False)
            number = f"{start // fit + 1} / {-(-len(rows) // fit)}"
            sheet.text(0.5, 0.04, number, fontsize=8, ha="center")
            pages.savefig(sheet)
    return file.getvalue()


def _rows(registered: Registration):
    """Lines with their size and weight."""
    for line in textwrap.wrap(f"Preregistration: {registered.study.title}", LETTERS // 2):
        yield line, 15, "bold"
        yield "", 9, "normal"
    yield f"Quorum study {registered.study.slug}", 9, "normal"
    yield f"Design SHA-256 {registered.sha256}", 9, "normal"
    for form, answers in registered.answers.items():
        yield from (("", 9, "normal"), (form, 12, "bold"))
        for question, answer in answers:
            yield "", 9, "normal"
            yield from ((line, 9, "bold") for line in textwrap.wrap(question, LETTERS))
            for paragraph in answer:
                yield from ((line, 9, "normal") for line in textwrap.wrap(paragraph, LETTERS))


def write(registered: Registration, folder: Path) -> list[Path]:
    """Write the three files into `folder`, made where it is not there; nothing there is overwritten."""
    folder, name = Path(folder), f"{registered.study.slug}-preregistration"
    contents = {
        ".md": markdown(registered).encode(),
        ".json": as_json(registered).encode(),
        ".pdf": pdf(registered),
    }
    paths = [folder / f"{name}{suffix}" for suffix in contents]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if there := next((path for path in paths if path.exists()), None):
            raise StudyError(f"{there}: there already; choose another folder")
        for path, content in zip(paths, contents.values(), strict=True):
            path.write_bytes(content)
    except OSError as error:
        raise StudyError(f"{folder}: {error.strerror}") from None
    return paths
