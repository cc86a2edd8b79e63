"""Writes docs/reference/protocols.md from the code: `python docs/describe_protocols.py`.

What is listed is what there is; a test fails where the page is not what this writes. What is said of each thing is its
docstring.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "protocols.md"
PROTOCOLS = ROOT / "studies" / "protocols"
ANALYSIS = ROOT / "studies" / "analysis"

INTRODUCTION = """# What protocols build with

Everything a protocol is given, read off the code by `python docs/describe_protocols.py`.
[Add a protocol](../how-to/add-a-protocol.md) has two examples that use it, and what each hook promises.
"""
BENCH = """## The bench

`stimuli(design, bench)` asks the bench for results. It remembers every one, so that a preparation goes on where it
stopped. A *label* is the number of an output of the classifier; `class_names` and `class_titles` say what it is called.

A *method* is given as `{"method": "ifgsm", "parameters": {"step": 0.01}}`; parameters left out have their defaults
([methods](methods.md)). Images, pictures and results stay in the order in which they were asked for.
"""
VALUES = """## Its values

Plain values, in `studies/preparation/values.py`: a protocol is given them and never makes one.
"""
BASE = """## What a protocol is made of

Imported from `studies.protocols.base`, or, the most of it, from `studies.protocols`.
"""
SHARED = """## Building blocks

What several protocols share, in `studies/protocols/shared/`. Import the module and call its functions by it.
"""
STATISTICS = """## Statistics

In `studies/analysis/`, functions over columns of tables; a summary imports them inside itself. Those that most
summaries need, and then what else is there:
"""
#: The modules whose functions are listed.
LISTED = ("two_way_clustering", "effect_sizes")
KINDS = """## What the export's program can compute

The `kind` of a registered computation (`preregistration.computed`). A study may register several; no two may give a
figure of the same name.
"""
FIGURES = """## Kinds of figures

The `kind` of a `Figure`; each is drawn and has a table for screen readers.
"""
BLOCKS_OF_PAGES = """## Blocks of the pages

A protocol's template extends `page`, which is the instructions, a trial or the feedback after a practice trial. `shown`
is what the protocol gave its stimulus to show (in the instructions: that of the example, where there is one).
"""
CONTEXT = """## What a template is given

| page | names |
| --- | --- |
"""
#: By block what belongs into it.
BLOCKS = {
    "instructions": "What to do, before the first trial. Every protocol fills it in.",
    "choices_class": "Classes of the buttons' list, for styles.",
    "verdict": "After a practice or training trial: what was said, and what was expected.",
    "question": "The question, as a heading of one line. Every protocol fills it in.",
    "stimulus": "What is looked at: by default `shown.picture`.",
    "answering": "Question, glosses and buttons; to be replaced where the buttons stand in the stimulus.",
    "gloss": "What is said of the words asked about: by default `shown.glosses`.",
    "amount": "How many trials there are: by default so many pictures.",
    "script": "Scripts and styles, after `{{ block.super }}`.",
    "main_class": "Classes of `main`, for styles.",
    "header_class": "Classes of the header, for styles.",
    "header": "The study's title, and in a trial the progress.",
    "left": "How many minutes are left.",
    "title": "The title of the window.",
    "main": "The whole page, with its form; leave it as it is.",
}
PAGES = ("instructions", "trial", "feedback")


def said(node: ast.AST) -> str:
    """A docstring on one line, as it may stand in a table."""
    text = re.sub(r":mod:`\.(\w+)`", r"`\1`", ast.get_docstring(node) or "")
    return " ".join(text.split()).replace("|", "\\|")


def signature(node: ast.FunctionDef) -> str:
    """The names of the parameters, and their defaults; without types."""
    arguments = node.args
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if each is not None:
            each.annotation = None
    arguments.args = [each for each in arguments.args if each.arg != "self"]
    return f"`{node.name}({ast.unparse(arguments)})`"


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def table(head: str, rows: list[tuple[str, str]]) -> list[str]:
    return [f"| {head} | |", "| --- | --- |", *(f"| {name} | {says} |" for name, says in rows), ""]


def fields(node: ast.ClassDef) -> str:
    return ", ".join(f"`{each.target.id}`" for each in node.body if isinstance(each, ast.AnnAssign))


def settings(node: ast.ClassDef) -> str:
    """The fields of a form."""
    assigned = (each for each in node.body if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call))
    return ", ".join(f"`{each.targets[0].id}`" for each in assigned if isinstance(each.targets[0], ast.Name))


def of_class(path: Path, name: str) -> ast.ClassDef:
    return next(node for node in public(ast.parse(path.read_text()).body) if node.name == name)


def modules(folder: Path, pattern: str = "*.py") -> list[str]:
    """A table for each module of the folder: its functions with their parameters, its classes with their fields."""
    lines = []
    for path in sorted(folder.glob(pattern)):
        tree = ast.parse(path.read_text())
        nodes = list(public(tree.body))
        if path.stem == "__init__" or not nodes:
            continue
        rows = []
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                rows.append((signature(node), said(node)))
            else:
                is_form = node.name.endswith("Form")
                called, own = ("Settings", settings(node)) if is_form else ("Fields", fields(node))
                says = said(node) + (f" {called}: {own}." if own and node.name != "Protocol" else "")
                rows.append((f"`{node.name}`", says.strip()))
        lines += [f"### {path.stem}", "", said(tree), "", *table("name", rows)]
    return lines


def blocks() -> list[str]:
    """Each block with the pages that have it; KeyError for one that BLOCKS does not describe."""
    templates = ROOT / "templates" / "participant"
    base = templates.joinpath("base.html").read_text()
    found: dict[str, list[str]] = {}
    for page in PAGES:
        text = base + templates.joinpath(f"{page}.html").read_text()
        for name in dict.fromkeys(re.findall(r"\{% block (\w+) %\}", text)):
            found.setdefault(name, []).append(page)
    rows = [(name, found[name]) for name in BLOCKS if name in found]
    if missing := sorted(set(found) ^ set(BLOCKS)):
        raise KeyError(f"BLOCKS and the templates differ in {', '.join(missing)}")
    every = len(PAGES)
    lines = ["| block | pages | |", "| --- | --- | --- |"]
    for name, pages in rows:
        lines.append(f"| `{name}` | {'all' if len(pages) == every else ', '.join(pages)} | {BLOCKS[name]} |")
    return [*lines, ""]


def context() -> list[str]:
    """The names each page's template is given, read off the view."""
    tree = ast.parse((ROOT / "studies" / "views" / "session_pages.py").read_text())
    functions = {node.name: node for node in public(tree.body) if isinstance(node, ast.FunctionDef)}
    lines = []
    for page in PAGES:
        names = [
            key.value
            for node in ast.walk(functions[page])
            if isinstance(node, ast.Dict)
            for key in node.keys
            if isinstance(key, ast.Constant)
        ]
        lines.append(f"| {page} | {', '.join(f'`{name}`' for name in dict.fromkeys(names))} |")
    return [*lines, ""]


def written() -> str:
    """The page."""
    from studies.export import recompute
    from studies.results import figures

    preparation = ROOT / "studies" / "preparation"
    bench = of_class(preparation / "bench.py", "Bench")
    methods = [(signature(node), said(node)) for node in public(bench.body)]
    values = ast.parse((preparation / "values.py").read_text()).body
    rows = [(f"`{node.name}`", f"{said(node)} {fields(node)}".strip()) for node in public(values)]
    program = ast.parse(Path(recompute.__file__).read_text())
    functions = {node.name: node for node in public(program.body)}
    kinds = [(f"`{kind}`", said(functions[kind])) for kind in recompute.KINDS]
    others = [
        (f"`{path.stem}`", (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0])
        for path in sorted(ANALYSIS.glob("*.py"))
        if path.stem not in (*LISTED, "__init__")
    ]
    lines = [
        INTRODUCTION,
        BENCH,
        *table("call", methods),
        VALUES,
        *table("value", rows),
        BASE,
        *modules(PROTOCOLS / "base"),
        SHARED,
        *modules(PROTOCOLS / "shared"),
        STATISTICS,
        *(line for name in LISTED for line in modules(ANALYSIS, f"{name}.py")),
        *table("module", others),
        KINDS,
        *table("kind", kinds),
        FIGURES,
        f"{', '.join(f'`{kind}`' for kind in figures.DRAWINGS)}.\n",
        BLOCKS_OF_PAGES,
        *blocks(),
        CONTEXT.rstrip("\n"),
        *context(),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    PAGE.write_text(written())
