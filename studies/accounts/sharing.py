"""Sharing a study with a colleague, and taking that back."""

from django.contrib.auth.models import User
from django.db import transaction

from studies import audit
from studies.lib.errors import StudyError
from studies.models import Access, Share, Study


@transaction.atomic
def share_study(study: Study, user: User, may: str, *, actor: User | None = None) -> Share:
    """Let somebody see a study and its results, or also change it; again, it changes what they may do."""
    name = user.get_username()
    if user.pk == study.owner_id:
        raise StudyError(f"{name} owns this study")
    if user.is_superuser:
        raise StudyError(f"{name} sees every study")
    if not (user.is_active and user.is_staff and user.has_perm("studies.view_study")):
        raise StudyError(f"{name} may not look at studies: an operator has to make them a researcher or an analyst")
    if may == Access.EDIT and not user.has_perm("studies.change_study"):
        raise StudyError(
            f"{name} may not change studies: share the results, or have an operator make them a researcher"
        )
    share, _new = Share.objects.update_or_create(study=study, user=user, defaults={"may": may})
    audit.record(study, audit.What.SHARED, actor, user=name, may=may)
    return share


@transaction.atomic
def unshare_study(study: Study, user: User, *, actor: User | None = None) -> None:
    """From now on they see nothing of it."""
    deleted, _ = study.shares.filter(user=user).delete()
    if not deleted:
        raise StudyError(f"the study is not shared with {user.get_username()}")
    audit.record(study, audit.What.UNSHARED, actor, user=user.get_username())
