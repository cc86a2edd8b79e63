"""Numbers as pages of the desk write them."""

from django import template

from studies.protocols.base import results

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """Write a share in percent as results do; a dash where there is none."""
    return results.percent(share)
