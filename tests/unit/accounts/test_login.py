"""The login: throttled, with a strong hash, and a second factor for whoever has one or where all must have one."""

import re
from datetime import timedelta

import lxml.html
import pytest
from axes.models import AccessAttempt
from django.conf import settings as site
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from studies.accounts import second_factor
from studies.lib.client_address import address_of
from tests.factories import make_study
from tests.logged_in_users import text
from tests.permission_matrix import addresses

pytestmark = pytest.mark.django_db

PASSWORD = "a password of five words"
LOGIN, DESK, ACCOUNT = "/admin/login/", "/admin/", "/admin/account/"
SET_UP, OFF, CODES = f"{ACCOUNT}second-factor/", f"{ACCOUNT}second-factor/off/", f"{ACCOUNT}recovery-codes/"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=PASSWORD, is_staff=True)


def log_in(client: Client | None = None, password: str = PASSWORD, *, name: str = "ada", code: str = "", **headers):
    return (client or Client()).post(LOGIN, {"username": name, "password": password, "code": code}, **headers)


def got_in(response) -> bool:
    return response.status_code == 302


def code_of(device: TOTPDevice, steps: int = 0) -> str:
    """The authenticator's code, so many steps from now."""
    return f"{totp(device.bin_key, t0=-30 * steps):06}"


def with_second_factor(user: User) -> tuple[TOTPDevice, list[str]]:
    key = "31" * 20
    # A code can be used once: this is the last one's.
    return second_factor.turn_on(user, key, code_of(TOTPDevice(user=user, key=key), steps=-1))


def unthrottled(user: User) -> None:
    TOTPDevice.objects.filter(user=user).update(throttling_failure_timestamp=None, throttling_failure_count=0)


# --- the password -----------------------------------------------------------------------------------------------------


def test_passwords_are_hashed_by_argon2_and_old_hashes_are_renewed_at_the_login(ada):
    assert ada.password.startswith("argon2$")
    from django.contrib.auth.hashers import make_password

    User.objects.filter(pk=ada.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    assert got_in(log_in())
    ada.refresh_from_db()
    assert ada.password.startswith("argon2$")


def test_after_five_wrong_passwords_the_right_one_does_not_help_either_and_the_page_says_so(ada):
    client = Client()
    responses = [log_in(client, "wrong") for _ in range(site.AXES_FAILURE_LIMIT)]
    assert {response.status_code for response in responses[:-1]} == {200}
    locked = log_in(client)
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    words = " ".join(lxml.html.fromstring(locked.content).find("body").text_content().split())
    assert "The password for this account was wrong 5 times in a row." in words
    assert "15 minutes" in words
    assert client.get(DESK).status_code == 302


def test_an_account_that_is_not_there_gets_the_same_page(ada):
    pages = []
    for name in ("ada", "nobody"):
        client = Client()
        for _ in range(site.AXES_FAILURE_LIMIT):
            log_in(client, "wrong", name=name)
        response = log_in(client, "wrong", name=name)
        pages.append((response.status_code, response.content))
    assert pages[0] == pages[1]


def test_who_guesses_from_one_address_does_not_lock_the_owner_out_at_another(ada):
    for _ in range(site.AXES_FAILURE_LIMIT + 1):
        log_in(password="wrong", REMOTE_ADDR="198.51.100.1")
    assert log_in(REMOTE_ADDR="198.51.100.1").status_code == 429
    assert got_in(log_in(REMOTE_ADDR="198.51.100.2"))


def test_after_the_wait_the_right_password_is_taken(ada):
    for _ in range(site.AXES_FAILURE_LIMIT):
        log_in(password="wrong")
    assert log_in().status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - site.AXES_COOLOFF_TIME - timedelta(seconds=1))
    assert got_in(log_in())


def test_a_right_password_forgives_the_wrong_ones_before(ada):
    for _ in range(3):
        for _ in range(site.AXES_FAILURE_LIMIT - 1):
            log_in(password="wrong")
        assert got_in(log_in())


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.7", "192.0.2.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "198.51.100.66, 203.0.113.7", "203.0.113.7"),
        (2, "198.51.100.66, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "no address'; drop", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_guess_comes_from_where_our_own_proxies_saw_it_whatever_the_header_claims(
    proxies, forwarded, address, settings
):
    settings.PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert address_of(request) == address


def test_nobody_signs_up_or_has_a_password_mailed():
    assert [one for one in addresses() if re.search(r"sign.?up|register|reset", one)] == []
    for name in ("admin_password_reset", "admin:admin_password_reset", "password_reset"):
        with pytest.raises(NoReverseMatch):
            reverse(name)


def test_everybody_changes_their_own_password_and_is_logged_out_elsewhere(ada):
    here, elsewhere = Client(), Client()
    assert got_in(log_in(here))
    assert got_in(log_in(elsewhere))
    new = {"old_password": PASSWORD, "new_password1": "another of five words", "new_password2": "another of five words"}
    short = new | {"new_password1": "elevenchars", "new_password2": "elevenchars"}
    assert here.post(reverse("admin:password_change"), short).status_code == 200
    assert here.post(reverse("admin:password_change"), new).status_code == 302
    assert here.get(DESK).status_code == 200
    assert elsewhere.get(DESK).status_code == 302


# --- the second factor ------------------------------------------------------------------------------------------------


def test_a_second_factor_is_set_up_with_a_code_of_the_key_shown(ada):
    client = Client()
    log_in(client)
    page = client.get(SET_UP)
    assert b"<svg" in page.content
    assert not TOTPDevice.objects.exists()
    form = dict(lxml.html.fromstring(page.content).xpath("//form[.//input[@name='code']]")[0].form_values())
    secret = re.search(r"[A-Z2-7]{4}( [A-Z2-7]{4})+", text(page))[0].replace(" ", "")
    wrong = client.post(SET_UP, form | {"code": "000000"})
    assert "That code is wrong or has expired" in text(wrong)
    assert secret in text(wrong).replace(" ", "")
    assert not TOTPDevice.objects.exists()
    from base64 import b32decode

    right = client.post(SET_UP, form | {"code": f"{totp(b32decode(secret)):06}"})
    assert "They are shown only once." in text(right)
    assert len(lxml.html.fromstring(right.content).find_class("desk-codes")[0]) == second_factor.RECOVERY_CODES
    # Whoever set it up is in; the login asks for it from now on.
    assert client.get(DESK).status_code == 200
    assert "enter the code" in log_in().content.decode()


def test_a_key_that_is_not_ours_sets_nothing_up(ada):
    client = Client()
    log_in(client)
    device = TOTPDevice(user=ada, key="31" * 20)
    for key in (device.key, "", Client().cookies.output()):
        client.post(SET_UP, {"key": key, "code": code_of(device)})
    assert not TOTPDevice.objects.exists()


def test_with_a_second_factor_the_password_alone_is_not_enough(ada):
    device, _codes = with_second_factor(ada)
    assert "This account uses two-factor authentication" in log_in().content.decode()
    assert "That code is wrong or has expired" in log_in(code="123456").content.decode()
    unthrottled(ada)
    client = Client()
    assert got_in(log_in(client, code=code_of(device)))
    assert client.get(DESK).status_code == 200


def test_that_an_account_has_a_second_factor_is_told_after_the_right_password_only(ada):
    with_second_factor(ada)
    assert "second factor:" not in log_in(password="wrong").content.decode()


def test_a_code_is_taken_once(ada):
    device, _codes = with_second_factor(ada)
    code = code_of(device)
    assert got_in(log_in(code=code))
    unthrottled(ada)
    assert not got_in(log_in(code=code))


def test_after_a_wrong_code_the_right_one_has_to_wait(ada, settings):
    settings.OTP_TOTP_THROTTLE_FACTOR = 60  # seconds, so that none of them passes by itself
    device, _codes = with_second_factor(ada)
    log_in(code="123456")
    assert not got_in(log_in(code=code_of(device)))
    unthrottled(ada)
    assert got_in(log_in(code=code_of(device)))


def test_a_recovery_code_is_taken_once_in_place_of_the_authenticator(ada):
    _device, codes = with_second_factor(ada)
    client = Client()
    assert got_in(log_in(client, code=f" {codes[0].upper()[:5]} {codes[0].upper()[5:]} "))
    assert client.get(DESK).status_code == 200
    assert "9 recovery codes are left" in text(client.get(ACCOUNT))
    assert not got_in(log_in(code=codes[0]))


def test_a_session_from_before_the_second_factor_has_to_log_in_again(ada):
    before = Client()
    log_in(before)
    assert before.get(DESK).status_code == 200
    with_second_factor(ada)
    assert before.get(DESK).status_code == 302
    assert "with the code of your authenticator" in before.get(LOGIN).content.decode()
    for address in (SET_UP, OFF, CODES, reverse("admin:password_change")):
        assert before.post(address, {"password": PASSWORD}).status_code == 302
    assert second_factor.is_on(ada)


def test_new_codes_and_turning_it_off_need_the_password(ada):
    device, codes = with_second_factor(ada)
    client = Client()
    log_in(client, code=code_of(device))
    client.post(OFF, {"password": "wrong"})
    client.post(CODES, {"password": "wrong"})
    assert second_factor.is_on(ada)
    assert second_factor.verify(ada, codes[0])
    client.post(CODES, {"password": PASSWORD})
    assert second_factor.codes_left(ada) == second_factor.RECOVERY_CODES
    assert not second_factor.verify(ada, codes[1])
    client.post(OFF, {"password": PASSWORD})
    assert not second_factor.is_on(ada)
    assert second_factor.codes_left(ada) == 0
    assert got_in(log_in())


def test_guessing_the_password_in_the_account_is_throttled_like_the_login(ada):
    device, _codes = with_second_factor(ada)
    client = Client()
    log_in(client, code=code_of(device))
    for _ in range(site.AXES_FAILURE_LIMIT):
        client.post(OFF, {"password": "wrong"})
    assert client.post(OFF, {"password": PASSWORD}).status_code == 429
    assert second_factor.is_on(ada)


def test_the_command_line_removes_a_lost_second_factor(ada):
    with_second_factor(ada)
    call_command("remove_second_factor", "ada")
    assert got_in(log_in())
    with pytest.raises(CommandError, match="ada has no second factor"):
        call_command("remove_second_factor", "ada")


def test_where_everybody_needs_one_nothing_opens_before_it_is_set_up(ada, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    ada.is_superuser = True
    ada.save()
    study = make_study(3)
    client = Client()
    log_in(client)
    pages = (DESK, ACCOUNT, reverse("admin:studies_study_change", args=[study.pk]), reverse("admin:studies_study_plan"))
    for address in pages:
        response = client.get(address)
        assert (response.status_code, response["Location"]) == (302, SET_UP)
    assert client.post(reverse("admin:studies_study_open", args=[study.pk]))["Location"] == SET_UP
    study.refresh_from_db()
    assert study.opened_at is None
    assert "Every account here needs two-factor authentication." in text(client.get(SET_UP))
    assert client.post(reverse("admin:logout")).status_code == 200
    device, _codes = with_second_factor(ada)
    log_in(client, code=code_of(device))
    assert {client.get(address).status_code for address in pages} == {200}


@pytest.mark.parametrize("page", ["abc", "99", "-1"])
def test_a_page_of_the_search_that_is_not_there_is_no_error(ada, page):
    client = Client()
    log_in(client)
    assert client.get(f"/admin/search/?s=studies&page={page}").status_code == 200


def test_whether_there_is_a_second_factor_is_looked_up_once_a_page(ada):
    client = Client()
    log_in(client)
    with CaptureQueriesContext(connection) as queries:
        client.get(DESK)
    assert len([query for query in queries if "otp_totp_totpdevice" in query["sql"]]) == 1


def test_no_page_of_the_desk_shows_anothers_key(ada):
    for model in ("otp_totp_totpdevice", "otp_static_staticdevice", "axes_accessattempt"):
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:{model}_changelist")
