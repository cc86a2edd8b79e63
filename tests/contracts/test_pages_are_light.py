"""People pay for what they load: a trial of any protocol, with its scripts and styles, stays small."""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import lxml.html
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import reverse

from studies import lifecycle, participation, protocols
from tests.bench import made_up_study

pytestmark = pytest.mark.django_db

#: Bytes compressed, apart from pictures.
LIMIT = 30_000


def weights(client, study) -> dict[str, int]:
    """Compressed bytes of the trial page and of each script and style it names."""
    person, token = participation.enrol(study, consent=participation.current_consent(study))
    participation.start(person)
    page = client.get(reverse("studies:take", args=[token])).content
    tree = lxml.html.fromstring(page)
    named = [*tree.xpath("//script/@src"), *tree.xpath("//link[@rel='stylesheet']/@href")]
    files = {name: urlsplit(name).path.removeprefix(settings.STATIC_URL) for name in named}
    contents = {name: Path(finders.find(file)).read_bytes() for name, file in files.items()}
    return {name: len(gzip.compress(content)) for name, content in {"page": page, **contents}.items()}


@pytest.mark.parametrize("key", list(protocols.available()))
def test_a_trial_page_with_its_scripts_and_styles_is_small(client, key):
    study = made_up_study(key, n_images=96)
    lifecycle.open_study(study)
    found = weights(client, study)
    assert len(found) >= 4
    assert sum(found.values()) < LIMIT, found
