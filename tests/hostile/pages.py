"""Hostile requests: to participants' pages and the desk, by their paths, forms, files and headers."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from studies import protocols
from tests.archives import packed, uploaded

from . import Hostile, World, mangled, nasty, written

Send = Callable[[World], Any]

# --- made by hand -----------------------------------------------------------------------------------------------------


def made() -> Iterator[Hostile]:
    for name, send in FORMS.items():
        yield Hostile("forms", name, send)
    for name, path in PATHS.items():
        yield Hostile("tokens", name, lambda world, path=path: world.public.get(path))
    for name, headers in HEADERS.items():
        yield Hostile("headers", name, lambda world, headers=headers: world.public.get(world.taking, **headers))
    for name, send in DESK.items():
        yield Hostile("desk", name, send)


def _take(**changes: Any) -> Send:
    return lambda world: world.public.post(world.taking, {**world.form, "answer": "yes", **changes})


def _join(**changes: Any) -> Send:
    return lambda world: world.public.post(world.joining, {**world.join_form, **changes})


URLENCODED = "application/x-www-form-urlencoded"


def _raw(world: World, data: bytes, content_type: str) -> Any:
    """These very bytes, which the client's `post` would encode first."""
    return world.public.generic("POST", world.taking, data, content_type)


FORMS: dict[str, Send] = {
    "an answer that is not offered": _take(answer="maybe"),
    "no answer": lambda world: world.public.post(world.taking, world.form),
    "an answer of a megabyte": _take(answer="y" * 1_000_000),
    "a zero byte as answer": _take(answer="yes\0"),
    "half a character as answer": lambda world: _raw(world, b"trial=x&answer=%ed%a0%80", URLENCODED),
    "another trial's number unsigned": _take(trial="1"),
    "the signature of another form": lambda world: world.public.post(
        world.taking, {**world.form, "trial": world.join_form["join"], "answer": "yes"}
    ),
    "a signature with its end cut off": lambda world: world.public.post(
        world.taking, {**world.form, "trial": world.form["trial"][:-1], "answer": "yes"}
    ),
    "a signature of a megabyte": _take(trial=":" * 1_000_000),
    "a join form that was changed": _join(join="e30:1:1"),
    "a join form that expands": _join(join="." + "eJw" * 5000),
    "a join form of another kind": lambda world: world.public.post(world.joining, {"join": world.form["trial"]}),
    "ten thousand fields": lambda world: world.public.post(world.taking, {f"f{n}": "x" for n in range(10_000)}),
    "three megabytes of fields": _take(junk="x" * 3_000_000),
    "a file instead of an answer": lambda world: world.public.post(
        world.taking, {**world.form, "answer": SimpleUploadedFile("yes", b"yes" * 1000)}
    ),
    "a thousand files": lambda world: world.public.post(
        world.taking, {f"f{n}": SimpleUploadedFile("a", b"a") for n in range(1000)}
    ),
    "json": lambda world: _raw(world, json.dumps(world.form).encode(), "application/json"),
    "multipart without a boundary": lambda world: _raw(world, b"x" * 100, "multipart/form-data"),
    "multipart that never ends": lambda world: _raw(
        world, b"--b\r\nContent-Disposition: form-data; name=" * 500, "multipart/form-data; boundary=b"
    ),
    "a charset that there is none of": lambda world: _raw(world, b"answer=yes", f"{URLENCODED}; charset=klingon"),
    "utf-16 that is none": lambda world: _raw(world, b"\xff\xfeanswer", f"{URLENCODED}; charset=utf-16"),
    "a form that is no text": lambda world: _raw(world, b"trial=\xff&answer=%ff%fe", URLENCODED),
    "deleting": lambda world: world.public.delete(world.taking),
    "a method of its own": lambda world: world.public.generic("BREW", world.taking),
}

PATHS = {
    "no token": "/t//",
    "a token of a hundred kilobytes": f"/t/{'a' * 100_000}/",
    "a token with a zero byte": "/t/a%00b/",
    "a token that is no text": "/t/%ff%fe/",
    "a token that leaves its folder": "/t/..%2f..%2fadmin%2f/",
    "a link of zeros": "/s/00000000-0000-0000-0000-000000000000/",
    "a link that is none": "/s/x/",
    "the password file as picture": "/pictures/../../../../etc/passwd",
    "the password file as picture, escaped": "/pictures/..%2f..%2f..%2fetc%2fpasswd",
    "the database as picture": "/pictures/../quorum.sqlite3",
    "a photograph as picture": f"/pictures/images/aa/{'a' * 64}.png",
    "a module as picture": f"/pictures/classifiers/aa/{'a' * 64}.py",
    "an upload as picture": f"/pictures/uploads/{'a' * 32}",
    "a picture with a newline": f"/pictures/artifacts/aa/{'a' * 64}.png%0a",
    "a picture that is not there": f"/pictures/artifacts/aa/{'a' * 64}.png",
    "a static file that leaves its folder": "/static/../config/settings.py",
}

HEADERS: dict[str, dict[str, str]] = {
    "another host": {"HTTP_HOST": "evil.example"},
    "a host with a newline": {"HTTP_HOST": "localhost\nevil"},
    "a host of a megabyte": {"HTTP_HOST": "a" * 1_000_000},
    "a host by a proxy": {"HTTP_X_FORWARDED_HOST": "evil.example"},
    "https by a proxy": {"HTTP_X_FORWARDED_PROTO": "https, http, ftp"},
    "a language that is none": {"HTTP_ACCEPT_LANGUAGE": "x" * 10_000},
    "ten thousand languages": {"HTTP_ACCEPT_LANGUAGE": ",".join(f"a{n};q=0.{n}" for n in range(10_000))},
    "cookies that are none": {"HTTP_COOKIE": "sessionid=" + "=;" * 20_000},
    "a cookie that is code": {"HTTP_COOKIE": 'csrftoken="\\012\\015"; sessionid=gASVCg=='},
    "a length below zero": {"CONTENT_LENGTH": "-1"},
    "a length that is no number": {"CONTENT_LENGTH": "x"},
    "a range that never ends": {"HTTP_RANGE": "bytes=0-," * 5000},
    "a referrer that is code": {"HTTP_REFERER": "javascript:alert(1)"},
    "a date far away": {"HTTP_IF_MODIFIED_SINCE": "Sat, 99 Foo 99999 99:99:99 GMT"},
    "another method in a header": {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"},
    "addresses of proxies": {"HTTP_X_FORWARDED_FOR": "1.1.1.1," * 5000},
}


def _desk_post(name: str, data: dict[str, Any], *args: Any) -> Send:
    return lambda world: world.desk.post(reverse(f"admin:studies_{name}", args=args), data)


def _second_step(protocol: str, data: dict[str, Any]) -> Send:
    query = {"title": "A", "slug": "a", "protocol": protocol}
    return lambda world: world.desk.post(reverse("admin:studies_study_add_design", query=query), data)


DESK: dict[str, Send] = {
    "an archive that is text": _desk_post("imageset_add", {"name": "a", "archive": uploaded(b"words")}),
    "an archive with a path as its name": lambda world: world.desk.post(
        reverse("admin:studies_imageset_add"), {"name": "../a", "archive": uploaded(packed(), "../../a.zip")}
    ),
    "a folder that nobody allowed": _desk_post("imageset_add", {"name": "a", "folder": "/etc"}),
    "a module that nobody allowed": _desk_post(
        "classifier_add", {"name": "a", "image_set": "b", "module": "/etc/passwd", "factory": "x", "checkpoint": "/x"}
    ),
    "a network that is a path": _desk_post(
        "classifier_add", {"name": "a", "image_set": "../b", "torchvision": "../../resnet", "mean": "1e999,1,1"}
    ),
    "a study of no protocol": _desk_post("study_add", {"title": "A", "slug": "a", "protocol": "../base"}),
    "a design of nothing": _second_step("rectified_labeling", {}),
    "a design of numbers far away": _second_step(
        "rectified_labeling", {"classifier": "x", "answers_per_stimulus": "9" * 400, "seed": "1e9"}
    ),
    "planning for everybody on earth": lambda world: world.desk.get(
        reverse("admin:studies_study_plan"), {"stimuli": "8000000000", "participants": "8000000000"}
    ),
    "a filter that looks into passwords": lambda world: world.desk.get(
        reverse("admin:studies_study_changelist"), {"owner__password__startswith": "a"}
    ),
    "a filter with a zero byte": lambda world: world.desk.get(
        reverse("admin:studies_import_changelist"), {"state__exact": "a\0b"}
    ),
    "a search of sixty thousand characters": lambda world: world.desk.get(
        reverse("admin:studies_imageset_changelist"), {"q": "x" * 60_000}
    ),
    "a search with a zero byte": lambda world: world.desk.get(reverse("admin:studies_study_changelist"), {"q": "a\0b"}),
    "choices to complete with a zero byte": lambda world: world.desk.get(
        "/admin/autocomplete/?app_label=studies&model_name=share&field_name=study&term=a%00b"
    ),
    "an address with a zero byte": lambda world: world.desk.get("/admin/studies/study/a%00b/change/"),
    "an order by nothing": lambda world: world.desk.get(reverse("admin:studies_study_changelist"), {"o": "9.-9.x"}),
    "a row that is no number": lambda world: world.desk.get("/admin/studies/study/..%2f..%2f/change/"),
    "a row of a number far away": lambda world: world.desk.get(f"/admin/studies/imageset/{'9' * 30}/change/"),
    "a report of a number far away": lambda world: world.desk.get(f"/admin/studies/import/{'9' * 30}/report.csv"),
    "a class of a number far away": lambda world: world.desk.get(f"/admin/studies/imageset/1/classes/{'9' * 30}/"),
    "a thumbnail that is a path": lambda world: world.desk.get("/admin/studies/imageset/thumbnail/..%2fx.png"),
    "words for classes that there are none of": _desk_post("imageset_classes", {"99-title": "x"}, 1),
}

# --- generated --------------------------------------------------------------------------------------------------------


def _form(dice: Random) -> Send:
    joining = dice.random() < 0.3
    names = ["join", "extra"] if joining else ["trial", "answer", "response_ms", "extra"]
    # At least one thing that decides is wrong; what is left as it is came from a real page.
    wrong = {names[0] if joining else dice.choice(["trial", "answer"]), *dice.sample(names, dice.randrange(3))}
    values = {name: written(dice) for name in sorted(wrong)}
    spoil = dice.random() < 0.3
    kind = dice.choice(
        (None, None, "application/json", "text/plain", "multipart/form-data; boundary=x", "a/b; charset=x")
    )
    seed = dice.random()

    def send(world: World) -> Any:
        path, form = (world.joining, world.join_form) if joining else (world.taking, world.form)
        data = {**form, "answer": "perhaps", **values}
        if spoil:
            signed = names[0]
            data[signed] = mangled(Random(seed), form[signed].encode()).decode("latin-1")
        if kind is None:
            return world.public.post(path, data)
        return world.public.generic("POST", path, mangled(Random(seed), repr(data).encode()), kind)

    return send


def _token(dice: Random) -> Send:
    what, text, seed = dice.randrange(5), nasty(dice), dice.random()

    def send(world: World) -> Any:
        token = world.taking.rstrip("/").rpartition("/")[2]
        other = mangled(Random(seed), token.encode())
        quoted = "".join(f"%{byte:02x}" for byte in (other if what % 2 else text.encode("utf-8", "replace")))[:6000]
        if what == 4 and token.encode() == other:
            return None
        path = ("/t/{}/", "/t/{}/", "/s/{}/", "/pictures/{}", "/pictures/artifacts/{}")[what].format(quoted)
        return world.public.post(path, {"answer": "yes"}) if seed < 0.3 else world.public.get(path)

    return send


NAMES = [
    "HTTP_HOST",
    "HTTP_COOKIE",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_REFERER",
    "HTTP_ORIGIN",
    "HTTP_RANGE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_USER_AGENT",
    "HTTP_X_REQUESTED_WITH",
    "HTTP_HX_REQUEST",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "QUERY_STRING",
]


def _headers(dice: Random) -> Send:
    # What a server hands on is latin-1.
    text = [nasty(dice).encode("utf-8", "replace").decode("latin-1") for _ in range(3)]
    headers = dict(zip(dice.sample(NAMES, 3), text, strict=True))
    where = dice.choice(("taking", "joining", "desk"))

    def send(world: World) -> Any:
        if where == "desk":
            return world.desk.get(reverse("admin:index"), **headers)
        return world.public.get(getattr(world, where), **headers)

    return send


DESK_FORMS = {
    "imageset_add": ("name", "folder"),
    "classifier_add": (
        "name",
        "image_set",
        "torchvision",
        "weights",
        "module",
        "factory",
        "checkpoint",
        "mean",
        "crop",
    ),
    "study_add": ("title", "slug", "protocol"),
}
LISTS = ("study", "imageset", "classifier", "import")


def _desk(dice: Random) -> Send:
    what = dice.randrange(4)
    if what == 0:
        name = dice.choice(list(DESK_FORMS))
        # One of them is always wrong: a form that is right by chance would be no hostile one.
        values = {field: written(dice) for field in DESK_FORMS[name]} | {DESK_FORMS[name][0]: "x" * 300}
        archive = mangled(dice, packed()) if name == "imageset_add" else b""
        return lambda world: world.desk.post(
            reverse(f"admin:studies_{name}"),
            values | ({"archive": uploaded(archive)} if archive else {}),
        )
    if what == 1:
        key = dice.choice(list(protocols.available()))
        fields = protocols.get(key).form(catalogue=protocols.Catalogue({})).fields
        values = {name: written(dice) for name in fields}
        return _second_step(key, values)
    if what == 2:
        query = {dice.choice(("q", "p", "o", "e", "all", "state", "kind", "state__exact", "owner__id")): written(dice)}
        name = dice.choice(LISTS)
        return lambda world: world.desk.get(reverse(f"admin:studies_{name}_changelist"), query)
    texts = {name: written(dice) for name in ("stimuli", "participants", "pay", "effect", "page")}
    return lambda world: world.desk.get(reverse("admin:studies_study_plan"), texts)


GENERATORS: dict[str, Callable[[Random], Send]] = {"forms": _form, "tokens": _token, "headers": _headers, "desk": _desk}
