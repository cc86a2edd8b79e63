"""What participants are told in the end by default: what their study did that they could not see."""

from django.utils.translation import gettext as _

from studies import protocols
from studies.models import Study


def debriefing(study: Study) -> list[str]:
    """The paragraphs, in the active language; none where nothing was hidden."""
    told = []
    if protocols.get(study.protocol).alters_pictures(study.design):
        told.append(
            _(
                "Some pictures may have been changed by a computer program, so that an image classifier takes them for "
                "something else. The names that we asked about came from the classifier. They were not meant to "
                "describe a picture, or a person in it."
            )
        )
    if study.design["gold"]:
        told.append(
            _(
                "Of some pictures we knew the answer before. They show us whether people looked carefully, and are not "
                "counted with the others."
            )
        )
    return told
