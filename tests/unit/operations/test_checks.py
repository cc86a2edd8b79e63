"""Settings that cannot work are errors, settings unfit for people are warnings, and a sound profile has neither."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as site
from django.core.checks import run_checks

SOUND = {
    "DATABASE_URL": "postgresql://quorum@127.0.0.1:1/quorum",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "CACHE_URL": "redis://127.0.0.1:1/1",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "SITE_URL": "https://studies.example.org",
    "ALLOWED_HOSTS": "studies.example.org,127.0.0.1",
    "FRAME_ANCESTORS": "https://framing.example,https://sandbox.framing.example",
    "PROXIES": "2",
    "RECRUIT_KEY": "a key of its own, which has more than 32 characters",
}


def check(tmp_path, **environment: str) -> subprocess.CompletedProcess:
    # Browser tests in the same process allow themselves what no deployment should.
    without = {*SOUND, "DJANGO_ALLOW_ASYNC_UNSAFE"}
    given = {name: value for name, value in os.environ.items() if name not in without}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=site.BASE_DIR,
        env={**given, "DATA_DIR": str(tmp_path), **SOUND, **environment},
        capture_output=True,
        text=True,
    )


def test_the_services_profile_is_clean(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


def test_the_test_above_can_tell(tmp_path):
    done = check(tmp_path, SITE_URL="http://studies.example.org", CACHE_URL="")
    assert done.returncode != 0
    assert {"quorum.W002", "quorum.W004", "security.W004"} <= {
        word for word in ("quorum.W002", "quorum.W004", "security.W004") if word in done.stderr
    }


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PROXIES": "two"}, "PROXIES must be a whole number"),
        ({"JOIN_LIMIT": "-1"}, "JOIN_LIMIT must be a whole number"),
        ({"RETENTION_DAYS": "1.5"}, "RETENTION_DAYS must be a whole number"),
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        (
            {"PLUGIN_APPS": "no_such_app"},
            "PLUGIN_APPS names 'no_such_app', and there is no Python package of that name",
        ),
    ],
)
def test_what_is_no_value_at_all_stops_the_start_with_the_variables_name(tmp_path, variables, line):
    done = check(tmp_path, **variables)
    assert done.returncode != 0
    assert line in done.stderr


def found(deploy: bool = False) -> set[str]:
    return {message.id for message in run_checks(include_deployment_checks=deploy) if message.id.startswith("quorum")}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("FRAME_ANCESTORS", ["*"], "quorum.E001"),
        ("FRAME_ANCESTORS", ["http://framing.example"], "quorum.E001"),
        ("FRAME_ANCESTORS", ["https://a.example; script-src *"], "quorum.E001"),
        ("FRAME_ANCESTORS", ["https://a.example/path"], "quorum.E001"),
        ("METRICS_ADDRESSES", ["everybody"], "quorum.E002"),
        ("METRICS_TOKEN", "short", "quorum.E003"),
        ("RECRUIT_KEY", "short", "quorum.E008"),
        ("SITE_URL", "studies.example.org", "quorum.E004"),
        ("SITE_URL", "https://studies.example.org/below", "quorum.E004"),
        ("SITE_URL", "https://elsewhere.example.org", "quorum.E005"),
    ],
)
def test_a_setting_that_cannot_work_is_an_error(settings, name, value, error):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    assert found() == set()
    setattr(settings, name, value)
    assert found() == {error}


def test_debug_where_others_can_reach_the_server_is_an_error(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.DEBUG = True
    assert found() == set()
    settings.ALLOWED_HOSTS = ["127.0.0.1", "studies.example.org"]
    assert found() == {"quorum.E006"}


def test_one_key_for_two_things_is_an_error(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.RECRUIT_KEY = settings.SECRET_KEY = "0123456789" * 6
    assert found() == {"quorum.E009"}


def test_a_lease_longer_than_the_queue_waits_is_an_error(settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
    settings.WORK_LEASE = 600
    assert found() == {"quorum.E007"}


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"ALLOWED_HOSTS": ["*"]}, "quorum.W001"),
        ({"HTTPS": False}, "quorum.W002"),
        ({"PROXIES": 0}, "quorum.W003"),
        ({"JOIN_LIMIT": 0}, "quorum.W006"),
        ({"RECRUIT_KEY": ""}, "quorum.W007"),
    ],
)
def test_what_is_unfit_for_people_is_a_warning(settings, change, warning):
    settings.ALLOWED_HOSTS, settings.HTTPS, settings.PROXIES = ["127.0.0.1"], True, 1
    assert not {one for one in found(deploy=True) if one.startswith("quorum.W00") and one not in DATABASE}
    for name, value in change.items():
        setattr(settings, name, value)
    assert warning in found(deploy=True)


#: Also where these tests run on PostgreSQL, which has neither cache nor queue then.
DATABASE = {"quorum.W004", "quorum.W005"}
