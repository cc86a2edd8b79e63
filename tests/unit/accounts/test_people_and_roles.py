"""Roles, sharing a study, and what an operator may do with accounts."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from studies.accounts import roles, sharing
from studies.lib.errors import StudyError
from studies.models import Access, Study
from tests.factories import make_study
from tests.logged_in_users import researcher, said, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def groups():
    roles.set_up_roles()


def account(name: str, *names: str, **rights: bool) -> User:
    user = User.objects.create(username=name, **{"is_staff": True, **rights})
    user.groups.set(Group.objects.filter(name__in=names))
    return user


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def owned_by(user: User) -> Study:
    study = make_study(3)
    Study.objects.filter(pk=study.pk).update(owner=user)
    study.refresh_from_db()
    return study


def people(study: Study) -> str:
    return reverse("admin:studies_study_people", args=[study.pk])


# --- roles ------------------------------------------------------------------------------------------------------------


def test_setting_up_roles_again_gives_back_their_permissions_and_keeps_their_members():
    ada = account("ada", "analyst")
    analyst = Group.objects.get(name="analyst")
    analyst.permissions.set(Permission.objects.all())
    call_command("setup_roles", verbosity=0)
    assert [one.codename for one in analyst.permissions.all()] == ["view_study"]
    assert list(ada.groups.all()) == [analyst]
    assert Group.objects.count() == 3


def test_the_command_says_what_each_role_is_for(capsys):
    call_command("setup_roles")
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(roles.NAMES)


def test_a_study_from_the_command_line_belongs_to_whom_it_is_given(tmp_path):
    account("ada", "researcher")
    classifier = make_study(3).design["classifier"]
    (tmp_path / "design.json").write_text(f'{{"classifier": "{classifier}"}}')
    options = {"protocol": "rectified_labeling", "design": tmp_path / "design.json"}
    call_command("create_study", "hers", owner="ada", **options)
    assert Study.objects.get(slug="hers").owner.username == "ada"
    with pytest.raises(CommandError, match="there is no account called nobody"):
        call_command("create_study", "other", owner="nobody", **options)


# --- one queryset -----------------------------------------------------------------------------------------------------


def test_everybody_sees_their_own_studies_and_those_shared_with_them():
    ada, bob, root = account("ada", "researcher"), account("bob", "researcher"), account("root", is_superuser=True)
    hers, his, nobodys = owned_by(ada), owned_by(bob), make_study(3)
    sharing.share_study(his, ada, Access.RESULTS)
    sharing.share_study(hers, bob, Access.EDIT)

    def seen(user: User) -> dict[Study, str]:
        return {study: study.access for study in Study.objects.visible_to(user)}

    assert seen(ada) == {hers: Access.OWN, his: Access.RESULTS}
    assert seen(bob) == {hers: Access.EDIT, his: Access.OWN}
    assert seen(root) == dict.fromkeys((hers, his, nobodys), Access.OWN)
    ada.is_active = root.is_active = False
    assert seen(ada) == seen(root) == {}


def test_shared_with_many_a_study_is_one_row_for_each():
    ada = account("ada", "researcher")
    study = owned_by(ada)
    others = [account(f"analyst-{n}", "analyst") for n in range(3)]
    for user in others:
        sharing.share_study(study, user, Access.RESULTS)
    assert [Study.objects.visible_to(user).count() for user in [ada, *others]] == [1, 1, 1, 1]


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_the_owner_shares_a_study_and_takes_it_back():
    ada, ida = account("ada", "researcher"), account("ida", "analyst")
    study, owner, colleague = owned_by(ada), logged_in(ada), logged_in(ida)
    assert colleague.get(people(study)).status_code == 404
    response = owner.post(people(study), {"username": " ida ", "may": "results"}, follow=True)
    assert said(response) == ["ida may see it, its results and its exports now."]
    assert "ida see it, its results and its exports" in text(response)
    assert colleague.get(people(study)).status_code == 200
    response = owner.post(people(study), {"remove": "ida"}, follow=True)
    assert said(response) == ["ida no longer sees this study."]
    assert colleague.get(people(study)).status_code == 404
    assert list(study.events.values_list("what", "who", "details"))[1:] == [
        ("shared", "ada", {"user": "ida", "may": "results"}),
        ("unshared", "ada", {"user": "ida"}),
    ]


def test_sharing_again_changes_what_a_colleague_may_do():
    ada, eve = account("ada", "researcher"), account("eve", "researcher")
    study = owned_by(ada)
    for may in (Access.RESULTS, Access.EDIT):
        sharing.share_study(study, eve, may)
    assert [share.may for share in study.shares.all()] == [Access.EDIT]


@pytest.mark.parametrize(
    ("name", "may", "reason"),
    [
        ("nobody", "results", "Nobody here has this user name."),
        ("ada", "results", "Ada owns this study."),
        ("root", "results", "Root sees every study."),
        ("otto", "results", "Otto may not look at studies"),
        ("gone", "results", "Gone may not look at studies"),
        ("ida", "edit", "Ida may not change studies"),
        ("ida", "own", "Select a valid choice"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused_with_the_reason(name, may, reason):
    ada = account("ada", "researcher")
    account("root", is_superuser=True), account("otto", "operator"), account("ida", "analyst")
    account("gone", "analyst", is_active=False)
    study = owned_by(ada)
    assert reason in text(logged_in(ada).post(people(study), {"username": name, "may": may}))
    assert not study.shares.exists()


def test_taking_back_what_was_not_shared_is_refused():
    study, ida = make_study(3), account("ida", "analyst")
    assert researcher().post(people(study), {"remove": "ida"}).status_code == 404
    with pytest.raises(StudyError, match="not shared with ida"):
        sharing.unshare_study(study, ida)


def test_who_may_change_a_study_sees_its_people_and_cannot_share_it():
    ada, eve = account("ada", "researcher"), account("eve", "researcher")
    study = owned_by(ada)
    sharing.share_study(study, eve, Access.EDIT)
    page = text(logged_in(eve).get(people(study)))
    assert "Only its owner can share it." in page
    assert "Share the study" not in page


def test_the_page_of_a_classifier_names_only_studies_that_one_sees():
    ada, bob = account("ada", "researcher"), account("bob", "researcher")
    hers = owned_by(ada)
    Study.objects.filter(pk=hers.pk).update(title="A secret title")
    address = reverse("admin:studies_classifier_changelist")
    link = f"{logged_in(bob).get(address).context['cl'].result_list[0].pk}/change/"
    assert "A secret title" in text(logged_in(ada).get(address + link))
    assert "A secret title" not in text(logged_in(bob).get(address + link))


def test_a_pilot_for_planning_is_one_of_ones_own_studies():
    ada, bob = account("ada", "researcher"), account("bob", "researcher")
    study = owned_by(ada)
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED)
    address = reverse("admin:studies_study_plan")
    choices = [list(logged_in(user).get(address).context["form"].fields["pilot_study"].queryset) for user in (ada, bob)]
    assert choices == [[study], []]
    assert logged_in(bob).get(f"{address}?study={study.pk}").status_code == 404


# --- an operator and accounts -----------------------------------------------------------------------------------------


def change(user: User, page: str = "change") -> str:
    return reverse(f"admin:auth_user_{page}", args=[user.pk])


NEW_PASSWORD = {"password1": "another of five words", "password2": "another of five words"}


def test_an_operator_gives_roles_and_no_other_rights():
    otto, new = account("otto", "operator"), account("new", is_staff=False)
    other = Group.objects.create(name="other")
    client = logged_in(otto)
    page = client.get(change(new))
    assert {"is_superuser", "user_permissions"}.isdisjoint(page.context["adminform"].form.fields)
    data = {"username": "new", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    data |= {"user_permissions": [Permission.objects.first().pk], "groups": [Group.objects.get(name="analyst").pk]}
    client.post(change(new), data)
    new.refresh_from_db()
    assert (new.is_staff, new.is_superuser, new.user_permissions.count()) == (True, False, 0)
    assert [group.name for group in new.groups.all()] == ["analyst"]
    client.post(change(new), data | {"groups": [other.pk]})
    assert [group.name for group in new.groups.all()] == ["analyst"]


def test_an_operator_leaves_superusers_and_accounts_with_other_rights_alone():
    client = logged_in(account("otto", "operator"))
    root, special, other = account("root", is_superuser=True), account("special"), account("other")
    special.user_permissions.add(Permission.objects.first())
    other.groups.add(Group.objects.create(name="other"))
    for user in (root, special, other):
        data = {"username": "mine", "is_active": "on"}
        assert client.get(change(user)).status_code == 200
        assert client.post(change(user), data).status_code == 403
        assert client.post(reverse("admin:auth_user_password_change", args=[user.pk]), NEW_PASSWORD).status_code == 403
        user.refresh_from_db()
        assert user.username != "mine"


def test_an_operator_sets_no_password_through_which_studies_can_be_seen():
    client = logged_in(account("otto", "operator"))
    ada, ida, new = account("ada", "researcher"), account("ida", "analyst"), account("new", "researcher")
    sharing.share_study(owned_by(ada), ida, Access.RESULTS)
    for user, status in ((ada, 403), (ida, 403), (new, 302)):
        address = reverse("admin:auth_user_password_change", args=[user.pk])
        assert client.post(address, NEW_PASSWORD).status_code == status
        assert client.get(address).status_code == (403 if status == 403 else 200)
        user.refresh_from_db()
        assert user.check_password(NEW_PASSWORD["password1"]) == (status == 302)


def test_a_superuser_sets_every_password():
    ada = account("ada", "researcher")
    owned_by(ada)
    researcher().post(reverse("admin:auth_user_password_change", args=[ada.pk]), NEW_PASSWORD)
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD["password1"])
