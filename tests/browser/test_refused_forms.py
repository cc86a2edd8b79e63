"""Text that would run, typed into forms that are refused: the page that comes back shows it again, and as text alone.

Every form of the desk that asks for something is filled in a real browser, its choices and numbers too, and sent past
what the browser itself would object to.
"""

from collections.abc import Iterator

import pytest
from django.forms import BoundField
from django.urls import reverse
from django.utils.safestring import mark_safe
from playwright.sync_api import expect

from studies import lifecycle, protocols, recruiters
from studies.models import Event, Study
from tests import permission_matrix, xss_payloads
from tests.bench import made_up_study
from tests.browser.script_watcher import Stage, Watch, sit_down
from tests.examples import SESSION

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Fills the form that asks for most, and says how much that is; what takes only some values is made to take any.
FILL = """(texts) => {
  const asks = "input:not([type=hidden], [type=checkbox], [type=radio], [type=submit], [type=file]), textarea, select";
  const of = (form) => form.querySelectorAll(asks).length + form.querySelectorAll("[type=file]").length;
  const form = [...document.querySelectorAll("form")].filter((one) => one.method === "post")
    .sort((one, other) => of(other) - of(one))[0];
  if (!form || !of(form)) return 0;
  [...form.querySelectorAll(asks)].forEach((box, at) => {
    const text = texts[at % texts.length];
    if (box.tagName === "SELECT") box.add(new Option(text, text, true, true));
    else {
      if (box.tagName === "INPUT") box.type = "text";
      box.removeAttribute("maxlength");
      box.value = text;
    }
    box.dispatchEvent(new Event("change", { bubbles: true }));
  });
  form.id = "filled";
  return of(form);
}"""
SEND = "HTMLFormElement.prototype.submit.call(document.querySelector('#filled'))"


#: Pages with a form whose row in the table of addresses does not write.
ASKING = {
    "admin/studies/study/add/",
    "admin/account/second-factor/",
}


#: What is typed there is not shown again: passwords, and a choice that there is none of.
SILENT = {"admin/password_change/", "admin/auth/user/<id>/password/"}


def stored() -> tuple[int, list]:
    """What is written down of everything that is done at the desk, and what a study is called."""
    return Event.objects.count(), list(Study.objects.order_by("pk").values_list("title", "consent_text", "design"))


def texts() -> list[str]:
    """One for each box: first those that fit, then as many that are longer than any column."""
    fitting = [xss_payloads.text(f"zq{n}x{n}z", n, 100) for n in range(12)]
    return [one + "x" * 3000 * (n % 2 == 0) for n, one in enumerate(fitting)]


def send(watch: Watch, address: str) -> str | None:
    """Fill the form at an address and send it: whose text the page that came back shows; None where it asks nothing."""
    page = watch.page
    watch.open(address)
    asked = page.evaluate(FILL, texts())
    if not asked:
        return None
    for box in page.locator("#filled [type=file]").all():
        box.set_input_files(
            {"name": xss_payloads.FRAGMENTS[0].replace("/", "_"), "mimeType": "x/y", "buffer": b"words"}
        )
    # What pages ask for while something is typed.
    page.wait_for_load_state("networkidle")
    watch.look()
    watch.at = f"{address}, sent"
    with page.expect_navigation() as sent:
        page.evaluate(SEND)
    status = sent.value.status
    if status >= 500:
        watch.found.append(f"{watch.at}: status {status}")
    return watch.look()


def forms_of(stage: Stage) -> Iterator[tuple[str, str]]:
    """What each page of the desk is called with which root may change something, and its address."""
    closed = (permission_matrix.REFUSED, permission_matrix.NOTHING, permission_matrix.NOBODY, permission_matrix.HIDDEN)
    for route, row in permission_matrix.TABLE.items():
        if not route.startswith("admin/") or {row.get, row.post} & {*closed} or row.about.startswith("any "):
            continue
        if not (row.writes or route in ASKING):
            continue
        if row.about.startswith("study"):
            things = [str(stage.studies[row.state].pk)]
        else:
            things = [what for what, _owner in stage.world.objects(row.about)][:1] if row.about else [""]
        for what in things:
            yield route, permission_matrix.address(route, what) + row.query
    for key in protocols.available():
        query = {"title": "New", "slug": "new", "protocol": key}
        yield f"a design of {key}", reverse("admin:studies_study_add_design", query=query)
    for key in recruiters.available():
        at = reverse("admin:studies_study_recruiting", args=[stage.studies["ready"].pk])
        yield f"recruiting by {key}", f"{at}?recruiter={key}"


def test_what_is_typed_into_a_form_of_the_desk_that_is_refused_comes_back_as_text(browse, live_server, settings):
    stage, page = Stage(), browse()
    watch, told, silent = Watch(page, live_server.url), set(), set()
    sit_down(page, stage.root.cookies)
    for name, address in forms_of(stage):
        before = stored()
        said = send(watch, address)
        if said is None:
            continue
        (told if said else silent).add(name)
        assert stored() == before, name
    assert watch.found == []
    assert silent == SILENT
    assert {f"a design of {key}" for key in protocols.available()} < told
    assert len(told) >= 20


def test_what_somebody_types_who_logs_in_or_takes_part_comes_back_as_text(browse, live_server):
    study = made_up_study("rectified_labeling", {**SESSION, "language": "en"})
    lifecycle.open_study(study)
    page = browse()
    watch = Watch(page, live_server.url)
    assert send(watch, "/admin/login/")
    # A code is not shown again.
    assert send(watch, reverse("studies:withdraw_by_code", args=[study.link])) == ""
    expect(page.locator("main")).to_contain_text("This code does not belong to this study.")
    watch.open(reverse("studies:join", args=[study.link]))
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("heading", name="A few questions about you")).to_be_visible()
    assert send(watch, page.url)
    expect(page.locator("main")).to_contain_text("Enter a whole number.")
    assert watch.found == []


def test_the_watch_sees_what_comes_back_as_markup(browse, live_server, monkeypatch):
    value = BoundField.value
    monkeypatch.setattr(BoundField, "value", lambda field: trusted(value(field)))
    stage, page = Stage(), browse()
    watch = Watch(page, live_server.url)
    sit_down(page, stage.root.cookies)
    send(watch, reverse("admin:studies_study_duplicate", args=[stage.studies["ready"].pk]))
    assert any("sent: something ran" in one for one in watch.found)


def trusted(value: object) -> object:
    return mark_safe(value) if isinstance(value, str) else value
