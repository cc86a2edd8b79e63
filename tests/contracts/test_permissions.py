"""Every address × everybody × own, shared and foreign × GET and POST: who gets what, and what nobody learns.

The table is in tests/permission_matrix.py.  Controls at the end show that the matrix finds a leak where there is one.
"""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import CharField, Value
from django.urls import include, path

from config import urls
from studies import installation
from studies.models.visibility import Access, ImportQuerySet, StudyQuerySet
from tests import permission_matrix
from tests.permission_matrix import EVERYBODY, IMPORTS, NOTHING, TABLE, Row
from tests.permission_users import World

pytestmark = pytest.mark.django_db


def violations(route: str, row: Row) -> Iterator[str]:
    """What is not as the table says, one line each; none where all is well."""
    world = World(row.state)
    before = permission_matrix.stored()  # and again after each try, which is undone
    for what, owner in world.objects(row.about):
        for person in world.people:
            for method in ("get", "post"):
                with transaction.atomic():
                    found = list(_try(world, route, row, what, owner, person, method, before))
                    transaction.set_rollback(True)
                yield from found


def _try(world, route, row, what, owner, person, method, before):
    case = f"{person.name} {method} {route} of {owner or what}"
    should = permission_matrix.expected(world, row, method, person, owner)
    client, address = person.client(), permission_matrix.address(route, what)
    data = row.data() if callable(row.data) else row.data
    response = getattr(client, method)(address + row.query, data if method == "post" else None)
    did = permission_matrix.happened(response)
    if should == EVERYBODY:
        if did in ("forbidden", NOTHING) or did.isdigit():
            yield f"{case}: {did} ({response.status_code})"
        return
    if did != should:
        yield f"{case}: should be {should}, was {did} ({response.status_code})"
    changed = permission_matrix.stored() != before
    if should != "yes" and changed:
        yield f"{case}: {should}, and something was changed all the same"
    if should == "yes" and method == "post" and row.writes and not changed:
        yield f"{case}: changed nothing, so that the row shows nothing"
    words = response.getvalue().decode(errors="replace")
    for about, word in world.foreign(person):
        if word in words:
            yield f"{case}: tells of {about} ({word})"


@pytest.fixture
def own_files(tmp_path, settings):
    """Stored files that no other test has, and that this database has for its own before anything is tried."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studies.lib.storage.ContentStorage", "OPTIONS": {"location": tmp_path / "media"}},
    }
    installation.check()


@pytest.mark.usefixtures("own_files")
@pytest.mark.parametrize("route", TABLE)
def test_everybody_gets_what_the_table_says_and_learns_of_nothing_else(route):
    assert list(violations(route, TABLE[route])) == []


def test_every_address_has_a_row():
    assert set(TABLE) == set(permission_matrix.addresses())


# --- controls: the matrix sees what it should see ---------------------------------------------------------------------


class More:
    """The site with an address nobody has thought about."""

    urlpatterns = [*urls.urlpatterns, path("admin/studies/study/all.csv", lambda request: None)]


def test_a_new_address_without_a_row_is_noticed(settings):
    settings.ROOT_URLCONF = More
    assert set(permission_matrix.addresses()) - set(TABLE) == {"admin/studies/study/all.csv"}


def test_an_address_in_a_nested_table_is_noticed_too():
    nested = [path("more/", include([path("all.csv", lambda request: None)]))]
    assert list(permission_matrix.addresses(nested)) == ["more/all.csv"]


OF_A_STUDY = [route for route, row in TABLE.items() if row.about in ("study", "study by another way")]
LISTS = ["admin/", "admin/studies/study/", "admin/autocomplete/"]


@pytest.mark.parametrize("route", [*OF_A_STUDY, *LISTS])
def test_with_the_one_queryset_bypassed_every_address_of_a_study_leaks(route, monkeypatch):
    everything = StudyQuerySet.all
    monkeypatch.setattr(
        StudyQuerySet,
        "visible_to",
        lambda rows, user: everything(rows).annotate(access=Value(Access.OWN, output_field=CharField())),
    )
    assert any(violations(route, TABLE[route]))


OF_AN_IMPORT = [route for route, row in TABLE.items() if row.about in ("import", "picture of an import")]


@pytest.mark.parametrize("route", [*OF_AN_IMPORT, IMPORTS])
def test_with_their_queryset_bypassed_every_address_of_an_import_leaks(route, monkeypatch):
    monkeypatch.setattr(ImportQuerySet, "visible_to", lambda rows, user: rows)
    assert any(violations(route, TABLE[route]))


BY_ROLE = [
    route
    for route, row in TABLE.items()
    if isinstance(row.get, frozenset) and row.get and row.get < permission_matrix.STAFF
]


@pytest.mark.parametrize("route", BY_ROLE)
def test_with_every_permission_in_every_role_every_address_for_some_roles_leaks(route, monkeypatch):
    def generous() -> None:
        for name in ("researcher", "analyst", "operator"):
            Group.objects.get_or_create(name=name)[0].permissions.set(Permission.objects.all())

    monkeypatch.setattr("studies.accounts.roles.set_up_roles", generous)
    assert any(violations(route, TABLE[route]))
