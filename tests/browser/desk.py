"""Who sits at the desk in a real browser, and what its pages are put through."""

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User

from studies.accounts import roles

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
    page.get_by_label("Authenticator code (only with two-factor authentication)").fill(code)
    page.get_by_role("button", name="Log in").click()


def faults(page, within: str = "#main") -> list[str]:
    """What axe finds in the page's own part, and whether the page is wider than the window."""
    violations = Axe().run(page, context=within).response["violations"]
    found = [f"{one['id']}: {node['html'][:200]}" for one in violations for node in one["nodes"]]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found + ([f"{wide} pixels too wide"] if wide > 0 else [])


#: Each width and each scheme once: room is a matter of the one, contrast of the other.
LOOKS = ((390, "light"), (1280, "dark"))


def put_on(page, width: int, scheme: str) -> None:
    """As wide as a phone or a desk, by day or by night."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    # The desk asks for the scheme when a page is loaded.
    page.evaluate("(on) => document.documentElement.classList.toggle('dark', on)", scheme == "dark")


def faults_in_all_looks(page, within: str = "#main") -> list[str]:
    """The same on a phone by day and on a desk by night; the page stays in the last of these."""
    found = []
    for width, scheme in LOOKS:
        put_on(page, width, scheme)
        found += [f"{width} wide, {scheme}: {one}" for one in faults(page, within)]
    return found
