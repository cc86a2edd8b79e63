"""Colleagues in a real browser: a study shared and taken back, a second factor set up and used, a login locked."""

import re
from base64 import b32decode

import pytest
from django.urls import reverse
from django_otp.oath import totp
from playwright.sync_api import expect

from studies import audit, lifecycle
from studies.accounts import sharing
from studies.models import Access, Study
from tests.browser.desk import PASSWORD, account, faults, faults_in_all_looks, log_in
from tests.factories import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def owned_by(user) -> Study:
    study = make_study(3)
    Study.objects.filter(pk=study.pk).update(owner=user)
    study.refresh_from_db()
    return study


def at(study: Study, name: str = "change") -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def test_a_study_is_shared_looked_at_and_taken_back(browse):
    study = owned_by(account("ada", "researcher"))
    account("ida", "analyst")
    ada, ida = browse(), browse()
    log_in(ida, "ida")
    expect(ida.get_by_text("Pictures and words")).to_have_count(0)
    log_in(ada, "ada")
    ada.get_by_role("link", name="Pictures and words").click()
    ada.get_by_role("link", name="People", exact=True).click()
    ada.get_by_label("User name").fill("nobody")
    ada.get_by_role("button", name="Share the study").click()
    expect(ada.get_by_text("Nobody here has this user name.")).to_be_visible()
    ada.get_by_label("User name").fill("ida")
    ada.get_by_role("button", name="Share the study").click()
    expect(ada.get_by_text("ida may see it, its results and its exports now.")).to_be_visible()
    ida.reload()
    ida.get_by_role("link", name="Pictures and words").click()
    expect(ida.get_by_role("link", name="Log")).to_be_visible()
    expect(ida.get_by_role("link", name="Open …")).to_have_count(0)
    ada.get_by_role("button", name="Take the study back from ida").click()
    expect(ada.get_by_text("ida no longer sees this study.")).to_be_visible()
    assert ida.reload().status == 404
    ada.goto(at(study, "history"))
    expect(ada.get_by_role("rowheader")).to_have_text(["Share taken back", "Shared", "Created"])


def test_a_second_factor_is_set_up_and_asked_for(browse):
    account("ada", "researcher")
    page = browse()
    log_in(page, "ada")
    page.goto("/admin/account/")
    page.get_by_role("link", name="Set up two-factor authentication").click()
    secret = b32decode(page.locator(".desk-secret").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill(f"{totp(secret):06}")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator(".desk-codes code")).to_have_count(10)
    spare = page.locator(".desk-codes code").first.inner_text()
    other = browse()
    log_in(other, "ada")
    expect(other.get_by_text("This account uses two-factor authentication")).to_be_visible()
    log_in(other, "ada", spare)
    expect(other.get_by_role("heading", name="First steps")).to_be_visible()
    other.goto("/admin/account/")
    other.get_by_label("Your password").fill(PASSWORD)
    other.get_by_role("button", name="Turn it off").click()
    expect(other.get_by_text("Two-factor authentication is off.")).to_be_visible()


def test_a_locked_login_says_for_how_long(browse):
    page = browse()
    for _ in range(5):
        log_in(page, "nobody")
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()
    expect(page.get_by_text("15 minutes")).to_be_visible()


def test_axe_finds_nothing_on_the_pages_of_people(browse):
    page = browse()
    ada, ida, eve = account("ada", "researcher"), account("ida", "analyst"), account("eve", "researcher")
    study = owned_by(ada)
    sharing.share_study(study, ida, Access.RESULTS, actor=ada)
    sharing.share_study(study, eve, Access.EDIT, actor=ada)
    lifecycle.change_texts(study, title="What is in the picture?", consent_text="I agree. " * 60, actor=ada)
    lifecycle.change_design(study, study.design | {"threshold": 2, "sample": 2}, actor=eve)
    audit.record(study, audit.What.FAILED, None, who=audit.WORKER, problem="the design gives no stimuli")
    page.goto("/admin/login/")
    found = {"login": faults_in_all_looks(page, "#page")}
    log_in(page, "ada")
    for name, address in {
        "study": at(study),
        "people": at(study, "people"),
        "log": at(study, "history"),
        "account": "/admin/account/",
        "second factor": "/admin/account/second-factor/",
    }.items():
        page.goto(address)
        found[name] = faults_in_all_looks(page)
    secret = b32decode(page.locator(".desk-secret").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill(f"{totp(secret):06}")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("They are shown only once.")).to_be_visible()
    found["recovery codes"] = faults_in_all_looks(page)
    locked = browse()
    for _ in range(5):
        log_in(locked, "nobody")
    found["locked"] = faults_in_all_looks(locked, "main")
    assert {name: list(what) for name, what in found.items() if what} == {}


def test_axe_would_find_something(browse):
    account("ada", "researcher")
    page = browse()
    log_in(page, "ada")
    page.goto("/admin/account/")
    page.evaluate("document.querySelector('#main h2').style.color = '#eee'")
    assert [re.split(":", fault)[0] for fault in faults(page)] == ["color-contrast"]
