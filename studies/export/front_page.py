"""index.html: the page of an export that a person reads first.  It needs nothing but a browser."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from studies.models import Study
from studies.results.result import rehearsal

from . import psych_ds, repeating

NAME = "index.html"
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem "
    ".6rem .3rem 0;border-bottom:1px solid #8886}code,pre{font-size:.9em}pre{overflow-x:auto;padding:.6rem;"
    "border:1px solid #8886}code,li,td{overflow-wrap:anywhere}.note{border-left:3px solid #8888;padding-left:.8rem}"
)


def html(
    study: Study,
    result: Mapping[str, Any],
    versions: Mapping[str, Any],
    withheld: Mapping[str, str],
    languages: Sequence[str],
    first_page: str,
    files: Collection[str],
) -> str:
    """The page: the result, how to check it, how to repeat the study, the files, what was left out.

    result: what analysis.json has.  first_page: the file of the first page of a participant, below texts/LANGUAGE/.
    """
    counts = result["counts"]
    notes = [*rehearsal(study)]
    if study.state != Study.State.CLOSED:
        notes.append(f"The study is {study.state}: this is an interim look.")
    # Rehearsals are told among the warnings, too.
    notes += [one for one in result["warnings"] if one not in notes]
    parts = [
        f"<h1>{escape(study.title)}</h1>",
        f'<p class="lead"><strong>{escape(result["headline"])}</strong></p>',
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        _table(
            [
                ("Study", f"<code>{escape(study.slug)}</code>, {escape(study.protocol)} {study.protocol_version}"),
                ("Participants", f"{counts['participants']:,}, of whom {counts['finished_participants']:,} finished"),
                ("Answers", f"{counts['counted_answers']:,} count, of {counts['wanted_answers']:,} wanted"),
                ("Stimuli", f"{counts['stimuli']:,}"),
                ("Open", f"{result['opened_at']} to {result['closed_at'] or 'now'}"),
                ("Design", f"SHA-256 <code>{study.design_sha256}</code>"),
                ("Made with", f"Quorum {escape(versions['quorum'])}, Python {escape(versions['python'])}"),
            ]
        ),
        "<h2>What participants read</h2>",
        "<p>"
        + ", ".join(f'<a href="texts/{code}/{first_page}">first page</a> ({escape(code)})' for code in languages)
        + '. All pages are in <a href="texts/pages.json">texts/pages.json</a>, each question as it was asked in '
        '<a href="questions.csv">questions.csv</a>.</p>',
        "<h2>Check it</h2>",
        "<p>Both end with status 0 where everything is right. The second needs NumPy, SciPy and pandas.</p>",
        "<pre>sha256sum --check --quiet checksums.sha256\npython recompute.py</pre>",
        "<h2>Repeat it</h2>",
        *_repeat(study),
        "<h2>Files</h2>",
        _table([(_link(name), escape(what)) for name, what in psych_ds.FILES.items() if name in files]),
        "<h2>What was left out</h2>",
        _table([(escape(what), escape(why)) for what, why in withheld.items()]),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study.title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _repeat(study: Study) -> list[str]:
    """How another installation makes the same study."""
    commands = ["# Import the same photographs and classifiers under their names, then:"]
    commands += [f"manage.py create_study NEW --from {study.slug}/", "manage.py prepare NEW"]
    rows = repeating.classifiers(study)
    sets = [
        f"<li>The image set <code>{escape(row.name)}</code>: {row.images.count():,} photographs, listed in "
        '<a href="photographs.csv">photographs.csv</a>.</li>'
        for row in repeating.image_sets(rows)
    ]
    networks = [
        f"<li>The classifier <code>{escape(row.name)}</code>: {escape(source_in_words(row.source))}, weights with the "
        f"SHA-256 <code>{row.state_digest}</code>.</li>"
        for row in rows
    ]
    return [
        "<p>With Quorum, and with these at hand:</p>",
        f"<ul>{''.join([*sets, *networks])}</ul>",
        f"<pre>{escape(chr(10).join(commands))}</pre>",
        "<p>The first command names every difference before it makes anything. The second says whether the stimuli are "
        "the same.</p>",
    ]


def source_in_words(source: Mapping[str, Any]) -> str:
    """Where a classifier came from."""
    for library in ("torchvision", "timm", "transformers", "open_clip"):
        if library in source:
            weights = f" with the weights {source['weights']}" if source.get("weights") else ""
            return f"{source[library]} of {library}{weights}"
    return f"{source.get('factory', 'a factory')} of a module with the SHA-256 {source.get('module_sha256', 'unknown')}"


def _link(name: str) -> str:
    return f'<a href="{escape(name)}"><code>{escape(name)}</code></a>'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Rows of two cells that are HTML already."""
    cells = "".join(f'<tr><th scope="row">{name}</th><td>{what}</td></tr>\n' for name, what in rows)
    return f"<table><tbody>\n{cells}</tbody></table>"
