"""The text to agree to as its page shows it."""

from collections.abc import Iterator

from django import template

from studies.designs.consent import HEADING

register = template.Library()


@register.inclusion_tag("participant/consent_text.html")
def consent_text(text: str) -> dict[str, list[tuple[str, list[str]]]]:
    """`{% consent_text consent.text %}`: paragraphs, and lines that begin with “# ” as headings."""
    return {"parts": list(_parts(text))}


def _parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """A heading or nothing, and the lines of the paragraph below it."""
    for paragraph in "\n".join(line.rstrip() for line in text.splitlines()).split("\n\n"):
        lines = [line for line in paragraph.split("\n") if line]
        if not lines:
            continue
        heading = lines[0].removeprefix(HEADING) if lines[0].startswith(HEADING) else ""
        yield heading, lines[1:] if heading else lines
