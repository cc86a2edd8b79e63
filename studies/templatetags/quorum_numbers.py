"""Numbers as pages of the desk write them."""

from django import template

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """A share as a percentage with one decimal; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"
