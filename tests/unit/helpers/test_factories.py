"""The tests' own ground: a data folder apart, and studies that hold what prepared ones hold."""

import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from studies import participation
from studies.models import Slot
from tests.factories import open_study


@pytest.mark.django_db
def test_tests_run_in_a_data_folder_of_their_own():
    assert Path(settings.DATA_DIR).is_relative_to(tempfile.gettempdir())
    if connection.vendor == "sqlite":
        assert Path(connection.settings_dict["NAME"]).is_relative_to(settings.DATA_DIR)


@pytest.mark.django_db
def test_a_made_study_can_be_answered():
    study = open_study(30, 2)
    participant, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(participant)
    assert participation.find(token) == participant
    assert participation.current_trial(participant).stimulus.study_id == study.pk
    assert Slot.objects.filter(study=study).count() == 60
