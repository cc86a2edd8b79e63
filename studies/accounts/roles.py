"""Roles: groups of Django's with the permissions their work needs.  Which studies somebody sees is another matter.

A superuser needs none: they may do everything.
"""

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction


@dataclass(frozen=True)
class ResearcherRole:
    name: str
    about: str
    #: As "app.codename".
    permissions: tuple[str, ...]


#: Image sets and classifiers, with the words participants read of their classes.
BRINGING_IN = (
    "studies.add_imageset",
    "studies.change_imageset",
    "studies.view_imageset",
    "studies.add_classifier",
    "studies.view_classifier",
)

RESEARCHER = ResearcherRole(
    "researcher",
    "designs and runs studies: their own, and those shared with them to be changed; brings images and classifiers in",
    (
        "studies.add_study",
        "studies.change_study",
        "studies.delete_study",
        "studies.view_study",
        *BRINGING_IN,
    ),
)
ANALYST = ResearcherRole("analyst", "sees results and exports of studies shared with them", ("studies.view_study",))
OPERATOR = ResearcherRole(
    "operator",
    "looks after workers, storage, accounts and all imports; sees no study that is not shared with them",
    (
        "auth.add_user",
        "auth.change_user",
        "auth.view_user",
        "studies.view_artifact",
        "studies.view_import",
        *BRINGING_IN,
    ),
)
ROLES = (RESEARCHER, ANALYST, OPERATOR)
NAMES = tuple(role.name for role in ROLES)


@transaction.atomic
def set_up_roles() -> None:
    """Make the groups, or give them back exactly the permissions they are meant to have.  Members stay."""
    for role in ROLES:
        group, _new = Group.objects.get_or_create(name=role.name)
        group.permissions.set(permissions(role))


def permissions(role: ResearcherRole) -> list[Permission]:
    """The rows for a role's permissions; KeyError for one that the database does not know."""
    known = {
        f"{one.content_type.app_label}.{one.codename}": one for one in Permission.objects.select_related("content_type")
    }
    return [known[name] for name in role.permissions]
