"""One address that tries one password on many accounts is limited too, and nothing is kept of it after a day."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies import tasks
from studies.accounts import failed_logins

pytestmark = pytest.mark.django_db

PASSWORD = "a password of five words"
ATTACKER, OTHER = "203.0.113.5", "198.51.100.7"


def log_in(name: str, password: str, address: str) -> int:
    client = Client(REMOTE_ADDR=address)
    return client.post(reverse("admin:login"), {"username": name, "password": password}).status_code


@pytest.fixture
def ada(monkeypatch) -> User:
    monkeypatch.setattr(failed_logins, "LIMIT", 4)
    return User.objects.create_user("ada", password=PASSWORD, is_staff=True)


def test_one_password_on_many_accounts_is_limited_and_others_log_in(ada):
    codes = [log_in(f"nobody-{n}", "spring2026", ATTACKER) for n in range(6)]
    assert codes == [200] * 4 + [429] * 2
    assert log_in("ada", PASSWORD, ATTACKER) == 429
    assert log_in("ada", PASSWORD, OTHER) == 302


def test_by_account_alone_the_same_attack_is_never_limited(ada, monkeypatch):
    monkeypatch.setattr(failed_logins, "are_too_many", lambda request: False)
    assert {log_in(f"nobody-{n}", "spring2026", ATTACKER) for n in range(6)} == {200}


def test_the_limit_ends(ada, settings):
    for n in range(6):
        log_in(f"nobody-{n}", "spring2026", ATTACKER)
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert log_in("ada", PASSWORD, ATTACKER) == 302


def test_addresses_are_forgotten_after_a_day(ada):
    log_in("nobody", "spring2026", ATTACKER)
    AccessAttempt.objects.update(attempt_time=timezone.now() - failed_logins.KEPT + timedelta(minutes=1))
    tasks.forget()
    assert AccessAttempt.objects.exists()
    AccessAttempt.objects.update(attempt_time=timezone.now() - failed_logins.KEPT)
    tasks.forget()
    assert not AccessAttempt.objects.exists()
