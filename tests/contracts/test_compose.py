"""docker-compose.yml is what Compose understands, and brings no password of its own."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from django.urls import reverse

from studies.views import pictures

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "docker-compose.yml"
WANTED = {"front", "web", "worker", "worker-gpu", "beat", "postgres", "redis", "storage"}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def check(path: Path) -> subprocess.CompletedProcess:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(path)], capture_output=True, text=True
    )


def test_it_follows_the_compose_specification(tmp_path):
    done = check(COMPOSE)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "health-check:"))
    assert check(wrong).returncode != 0


def test_every_service_is_there_and_says_whether_it_is_well(compose):
    assert set(compose["services"]) == WANTED | {"setup"}
    assert all("healthcheck" in compose["services"][name] for name in WANTED)


def test_no_secret_has_a_default(compose):
    text = COMPOSE.read_text()
    asked = re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|KEY)\w*)(:\?|[^}]*)", text)
    needed = {"SECRET_KEY", "RECRUIT_KEY", "POSTGRES_PASSWORD", "STORAGE_KEY", "STORAGE_SECRET"}
    assert {name for name, how in asked if how == ":?"} == needed
    assert {(name, how) for name, how in asked if how != ":?"} == set()


def test_the_front_serves_pictures_of_studies_as_files_and_nothing_else(compose):
    """Their addresses and headers are those of the program; whatever else is asked for is its business."""
    front = compose["configs"]["front"]["content"].replace("$$", "$")
    (pattern,) = re.findall(r'location ~ "([^"]+)"', front)
    picture = f"artifacts/{'ab'}/{'0' * 64}.png"
    assert pictures.PICTURE_NAME.fullmatch(picture)
    assert re.search(pattern, reverse("studies:picture", args=[picture]))[1] == picture
    for other in (
        picture.replace(".png", ".npy"),
        picture.replace("artifacts", "images"),
        f"{picture}/..",
        "x" + picture,
    ):
        assert not re.search(pattern, reverse("studies:picture", args=[other]))
    assert f'add_header Cache-Control "{pictures.KEEP_FOR_EVER}"' in front
    bucket = re.search(r"@(\w+)\?", compose["services"]["web"]["environment"]["STORAGE_URL"])[1]
    assert f"root /objects/{bucket};" in front
    assert "pictures:/objects:ro" in compose["services"]["front"]["volumes"]
    assert "pictures:/objects" in compose["services"]["storage"]["volumes"]


def test_the_front_writes_down_no_address_of_a_participants_page(compose):
    front = compose["configs"]["front"]["content"]
    (own,) = re.findall(r"location \^~ (/t/) \{([^}]*)\}", front)
    assert reverse("studies:take", args=["token"]).startswith(own[0])
    assert "access_log off;" in own[1]
    assert "error_log /dev/null;" in own[1]
    # Nor what recruiters send along with a study's link.
    (arriving,) = re.findall(r"location \^~ (/s/) \{([^}]*)\}", front)
    assert reverse("studies:join", args=[UUID(int=0)]).startswith(arriving[0])
    assert "access_log off;" in arriving[1]
    assert "error_log /dev/null;" in arriving[1]


def test_the_front_logs_no_address_of_participants_pictures_and_static_files_included(compose):
    front = compose["configs"]["front"]["content"]
    server = front.split("server {")[1].split("location")[0]
    assert "access_log off;" in server
    assert re.findall(r"access_log ([^;]*);", front) == ["off"] * front.count("access_log")


def test_only_the_front_is_reached_from_outside(compose):
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["front"]


def test_every_variable_that_reaches_the_program_is_one_of_its_settings(compose):
    documented = set(re.findall(r"^\| `(\w+)", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE))
    for name in ("web", "worker", "worker-gpu", "beat", "setup"):
        assert set(compose["services"][name]["environment"]) <= documented


def test_the_front_writes_down_no_address_and_limits_connections(compose):
    front = compose["configs"]["front"]["content"]
    whole = front.partition("location ")[0]
    assert "access_log off;" in whole
    assert "error_log /dev/null;" in whole
    logging = re.findall(r"location ([^{]*?) \{[^}]*?_log (?!off;|/dev/null;)", front)
    assert logging == ["^~ /admin/"]
    assert "limit_conn quorum_address" in whole
    assert "real_ip_header X-Forwarded-For;" in whole
    (streamed,) = re.findall(r"location = (\S+) \{[^}]*proxy_request_buffering off;", front)
    assert streamed == reverse("admin:studies_imageset_add")
