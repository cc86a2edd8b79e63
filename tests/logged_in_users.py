"""Who sits at the desk, logged in without a password, and what a page says to them."""

from itertools import count

import lxml.html
from django.contrib.auth.models import Permission, User
from django.test import Client

from studies.models import Access, Share, Study

_numbers = count(1)


def researcher() -> Client:
    """A superuser."""
    return _logged_in(User.objects.create(username=f"researcher-{next(_numbers)}", is_staff=True, is_superuser=True))


def staff(*permissions: str, sees: Study | None = None) -> Client:
    """Staff with these permissions only, as `view_study`; `sees` is shared with them, to be changed."""
    user = User.objects.create(username=f"staff-{next(_numbers)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="studies", codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    if sees:
        Share.objects.create(study=sees, user=user, may=Access.EDIT)
    return _logged_in(user)


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def said(response) -> list[str]:
    """The messages on the page that a request led to (`follow=True`)."""
    return [str(message) for message in response.context["messages"]]


def text(response) -> str:
    """The words of a page's content, one space between any two."""
    content = lxml.html.fromstring(response.content.decode()).get_element_by_id("main")
    return " ".join(" ".join(content.itertext()).split())
