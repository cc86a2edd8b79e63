"""Who sits at the desk in a real browser, and what its pages are put through."""

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User

from studies import roles

PASSWORD = "a password of five words"


def account(name: str, role: str) -> User:
    roles.set_up_roles()
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, first_name=name.capitalize())
    user.groups.set(roles.Group.objects.filter(name=role))
    return user


def log_in(page, name: str, code: str = "") -> None:
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code, if you use a second factor").fill(code)
    page.get_by_role("button", name="Log in").click()


def faults(page, within: str = "#main") -> list[str]:
    """What axe finds in the page's own part, and whether the page is wider than the window."""
    violations = Axe().run(page, context=within).response["violations"]
    found = [f"{one['id']}: {node['html'][:200]}" for one in violations for node in one["nodes"]]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found + ([f"{wide} pixels too wide"] if wide > 0 else [])
