"""The files that docs/how-to/deploy.md has people write fit the program: its addresses, settings and commands."""

import configparser
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import reverse

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/how-to/deploy.md").read_text()
#: Each file by its path: named at the beginning of a paragraph, which its text follows.
FILES = dict(re.findall(r"^`(/etc/[^`]+)`[^`]*(?:`[^`\n]+`[^`]*)*?\n```\w*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
UNITS = {Path(name).name: text for name, text in FILES.items() if name.startswith("/etc/systemd/system/")}
SERVICES = sorted(name for name in UNITS if name.endswith(".service"))


def unit(name: str) -> configparser.ConfigParser:
    """Its sections; a setting that stands twice is a mistake."""
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str
    read.read_string(UNITS[name])
    return read


def location(path: str) -> str:
    """What nginx does at this address."""
    return re.search(rf"location {re.escape(path)} \{{(.*?)\}}", FILES["/etc/nginx/sites-available/quorum"], re.DOTALL)[
        1
    ]


def test_all_files_are_found_on_the_page():
    assert SERVICES == ["quorum-backup.service", "quorum-beat.service", "quorum-web.service", "quorum-worker.service"]
    assert set(UNITS) - set(SERVICES) == {"quorum-backup.timer"}
    assert set(FILES) - {f"/etc/systemd/system/{name}" for name in UNITS} == {
        "/etc/quorum.env",
        "/etc/nginx/sites-available/quorum",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_as_quorum_and_writes_where_it_has_to_alone(name):
    service = unit(name)["Service"]
    assert (service["User"], service["EnvironmentFile"]) == ("quorum", "/etc/quorum.env")
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["PrivateTmp"]) == ("strict", "true", "true")
    assert set(service["ReadWritePaths"].split()) <= {"/srv/quorum/data", "/srv/quorum/backups"}
    assert (service.get("Restart") == "always") is (service.get("Type") != "oneshot")


def test_the_settings_and_commands_that_it_names_are_there():
    named = re.findall(r"^([A-Z_]+)=", FILES["/etc/quorum.env"], re.MULTILINE)
    listed = (ROOT / "docs/reference/settings.md").read_text()
    assert named
    assert [name for name in named if f"| `{name}` |" not in listed] == []
    restoring = (ROOT / "docs/how-to/back-up-and-restore.md").read_text()
    commands = re.findall(r"^quorum (\w+)", PAGE + restoring, re.MULTILINE)
    commands += re.findall(r"manage\.py (\w+)", UNITS["quorum-backup.service"])
    assert {"backup", "migrate", "restore"} <= set(commands)
    assert set(commands) <= set(get_commands())


def test_nginx_logs_no_token_shows_nobody_the_figures_and_takes_uploads():
    inside = FILES["/etc/nginx/sites-available/quorum"]
    for address in (
        reverse("studies:take", args=["x"]),
        reverse("studies:join", args=["0" * 8 + "-0000" * 3 + "-" + "0" * 12]),
    ):
        held_back = location(f"^~ /{address.split('/')[1]}/")
        assert "access_log off;" in held_back
        assert "error_log /dev/null;" in held_back
    (pattern,) = re.findall(r"location ~ (\S+) \{ return 404; \}", inside)
    assert all(re.search(pattern, reverse(f"studies:{name}")) for name in ("readyz", "metrics"))
    assert not re.search(pattern, reverse("studies:healthz"))
    upload = location(f"= {reverse('admin:studies_imageset_add')}")
    assert int(re.search(r"client_max_body_size (\d+)g;", upload)[1]) * 2**30 >= settings.UPLOAD_MAX_BYTES


def site() -> tuple[str, dict[str, str]]:
    """What holds of the whole site in nginx, and what of each location."""
    inside = FILES["/etc/nginx/sites-available/quorum"].split("listen 443 ssl;")[1]
    locations = dict(re.findall(r"location ([^{]*?) \{(.*?)\}", inside, re.DOTALL))
    return inside.partition("location ")[0], locations


def test_nginx_writes_down_no_address_of_participants_pictures_and_static_files_included():
    whole, locations = site()
    assert "access_log off;" in whole
    assert "error_log /dev/null;" in whole
    # Only researchers' pages have errors written down, and nothing has its requests.
    logging = {name for name, text in locations.items() if re.search(r"_log (?!off;|/dev/null;)", text)}
    assert logging == {f"^~ {settings.SESSION_COOKIE_PATH}"}
    redirect = FILES["/etc/nginx/sites-available/quorum"].split("listen 443 ssl;")[0]
    assert {"access_log off;", "error_log /dev/null;"} <= set(re.findall(r"\w+_log \S+;", redirect))


def test_nginx_limits_connections_of_one_address_and_how_slowly_they_send():
    whole, locations = site()
    (most,) = re.findall(r"limit_conn quorum_address (\d+);", whole)
    assert 50 <= int(most) <= 200
    for name in ("client_header_timeout", "client_body_timeout", "send_timeout"):
        assert int(re.search(rf"{name} (\d+)s;", whole)[1]) <= 30
    upload = locations[f"= {reverse('admin:studies_imageset_add')}"]
    assert "limit_conn quorum_upload" in upload
    # A body is streamed to the program at this address alone; there it is read of staff alone.
    assert [name for name, text in locations.items() if "proxy_request_buffering off" in text] == [
        f"= {reverse('admin:studies_imageset_add')}"
    ]
    assert "studies.operations.bodies.NoBodyForStrangersMiddleware" in settings.MIDDLEWARE
