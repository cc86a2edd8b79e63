"""What differs between an exported study and what is here, each in one line: found before anything is made."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from explainers import base, computations
from studies import protocols
from studies.export import repeating, versions
from studies.export.front_page import source_in_words
from studies.lib.errors import StudyError
from studies.models import Classifier, ImageSet, Study
from studies.preparation.class_outputs import class_outputs
from studies.protocols import classifiers_of

from .folder import ExportedStudy

#: In these states a study would be prepared with other words than it was designed with.
NOT_YET_OPEN = (Study.State.DRAFT, Study.State.PREPARING, Study.State.READY)


@dataclass
class Differences:
    """lines: what differs.  design: the exported one, with classifiers by the names they have here.  words: by image
    set what participants are to read of its classes, by index, where they read something else here.
    """

    lines: list[str] = field(default_factory=list)
    design: dict[str, Any] = field(default_factory=dict)
    words: dict[ImageSet, dict[int, dict[str, Any]]] = field(default_factory=dict)


def compare(exported: ExportedStudy, user: AbstractBaseUser | None = None) -> Differences:
    """StudyError where the study cannot be made at all: its protocol or a classifier is not here.

    user: whose catalog it is compared with; everything there is without one.
    """
    content, found = exported.content, Differences()
    key = content["protocol"]
    if key not in protocols.available():
        raise StudyError(f"there is no protocol {key} here (there are {', '.join(protocols.available())})")
    here = protocols.get(key).version
    if here != content["protocol_version"]:
        found.lines.append(f"the protocol {key} is at version {here} here; the study had {content['protocol_version']}")
    if versions.quorum() != content["quorum"]:
        found.lines.append(f"this is Quorum {versions.quorum()}; the study was exported by {content['quorum']}")
    found.lines += _other_methods(exported)
    rows, names = _classifiers(content, user, found)
    found.design = _renamed(content["design"], names)
    for told in content["image_sets"]:
        sets = {row.image_set for name, row in rows.items() if _set_of(content, name) == told["name"]}
        for image_set in sorted(sets, key=lambda one: one.name):
            found.lines += _photographs(exported, told, image_set)
            _words(told, image_set, found)
    return found


def _other_methods(exported: ExportedStudy) -> Iterator[str]:
    """Kinds of computation and methods that have another version here, or are not here."""
    seen: dict[tuple[str, str, str], None] = {}
    for row in exported.rows("computations.csv"):
        seen["computation", row["kind"], row["kind_version"]] = None
        if row["method"]:
            seen["method", row["method"], row["method_version"]] = None
    for what, name, version in seen:
        here = _versions(what, name)
        if not here:
            yield f"there is no {what} {name} here"
        elif version not in here:
            yield f"the {what} {name} is at version {here[0]} here; the study had {version or 'another'}"


def _versions(what: str, name: str) -> list[str]:
    """The versions here of a kind of computation, or of a method, which several kinds of method may have."""
    if what == "computation":
        # By its own name alone: what is imported is not for the export to say.
        files = {module.name for module in iter_modules(computations.__path__)}
        kind = getattr(import_module(f"{computations.__name__}.{name}"), "kind", None) if name in files else None
        version = getattr(kind, "version", None)
        return [] if version is None else [str(version)]
    known = [base.version_of(kind, name) for kind in base.kinds() if name in base.available(kind)]
    return [str(version) for version in known if version is not None]


def _classifiers(
    content: Mapping[str, Any], user: AbstractBaseUser | None, found: Differences
) -> tuple[dict[str, Classifier], dict[str, str]]:
    """By exported name the classifier that stands for it here, and its name."""
    known = Classifier.objects.visible_to(user) if user else Classifier.objects.all()
    rows: dict[str, Classifier] = {}
    told = {row["name"]: row for row in content["classifiers"]}
    for name in classifiers_of(content["design"]):
        one = told.get(name)
        same = list(known.filter(digest=one["digest"]).select_related("image_set")) if one else []
        named = known.filter(name=name).select_related("image_set").first()
        row = next((row for row in same if row.name == name), None) or next(iter(same), None) or named
        if row is None:
            source = f" ({source_in_words(one['source'])})" if one else ""
            raise StudyError(f"the classifier {name}{source} is not here: import it first, and its photographs")
        if one is None:
            found.lines.append(f"the export does not say what classifier {name} was: the one of that name is taken")
        elif row.digest != one["digest"]:
            found.lines.append(f"the classifier {name} is another one here: {_how_it_differs(one, row)}")
        if row.name != name:
            found.lines.append(f"the classifier {name} is called {row.name} here")
        rows[name] = row
    return rows, {name: row.name for name, row in rows.items()}


def _how_it_differs(told: Mapping[str, Any], row: Classifier) -> str:
    parts = []
    if row.state_digest != told["weights_sha256"]:
        parts.append(f"weights with the SHA-256 {row.state_digest[:12]}…, not {told['weights_sha256'][:12]}…")
    if row.preprocessing != told["preprocessing"]:
        parts.append("another preprocessing")
    outputs = class_outputs(row).of_classes
    if list(outputs) != list(told["class_mapping"].get("classes") or range(len(outputs))):
        parts.append("another mapping of outputs to classes")
    return ", ".join(parts) or "another source"


def _renamed(design: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed = dict(design)
    if renamed.get("classifiers"):
        renamed["classifiers"] = [names.get(name, name) for name in renamed["classifiers"]]
    if renamed.get("classifier"):
        renamed["classifier"] = names.get(renamed["classifier"], renamed["classifier"])
    return renamed


def _set_of(content: Mapping[str, Any], classifier: str) -> str:
    return next((row["image_set"] for row in content["classifiers"] if row["name"] == classifier), "")


def _photographs(exported: ExportedStudy, told: Mapping[str, Any], image_set: ImageSet) -> Iterator[str]:
    """How the photographs here differ from those there; read row by row only where they do."""
    if repeating.photographs_sha256(image_set) == told["photographs_sha256"]:
        return
    here = {
        path: (name, sha, _plain(boxes)) for _s, path, name, sha, _w, _h, boxes in repeating.photographs([image_set])
    }
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in exported.rows("photographs.csv"):
        if row["image_set"] != told["name"]:
            continue
        path = row["image"]
        own = here.pop(path, None)
        if own is None:
            what = "missing here"
        elif own[1] != row["sha256"]:
            what = "other pictures here"
        elif own[0] != row["class"]:
            what = "of another class here"
        elif own[2] != _plain_text(row["objects"]):
            what = "annotated otherwise here"
        else:
            continue
        counts[what] += 1
        first.setdefault(what, path)
    if here:
        counts["here alone"], first["here alone"] = len(here), sorted(here)[0]
    for what, n in counts.items():
        yield f"photographs of {image_set.name}: {n:,} {what} (the first is {first[what]})"


def _plain(boxes: Any) -> str:
    return repeating.canonical(boxes).decode()


def _plain_text(cell: str) -> str:
    try:
        return _plain(json.loads(cell or "[]"))
    except ValueError:
        return cell


def _words(told: Mapping[str, Any], image_set: ImageSet, found: Differences) -> None:
    """Words of classes that participants would read otherwise: to be changed, where no other study would be."""
    known = {row.name: row for row in image_set.classes.select_related("example")}
    changes: dict[int, dict[str, Any]] = {}
    for one in told["classes"]:
        row = known.get(one["name"])
        if row is None:
            found.lines.append(f"the image set {image_set.name} has no class {one['name']} here")
            continue
        example = row.example.path if row.example else None
        if (row.title, row.gloss, example) != (one["title"], one["gloss"], one.get("example")):
            picture = image_set.images.filter(path=one.get("example"), label=row.index).first()
            changes[row.index] = {"title": one["title"], "gloss": one["gloss"], "example": picture}
    if not changes:
        return
    names = list(image_set.classifiers.values_list("name", flat=True))
    others = [
        study
        for study in Study.objects.filter(state__in=NOT_YET_OPEN)
        if set(classifiers_of(study.design)) & set(names)
    ]
    if others:
        found.lines.append(
            f"{len(changes)} classes of {image_set.name} have other words here, and studies that are not open yet use "
            "them: change the words on its page, or open or delete those studies first"
        )
    else:
        found.words[image_set] = changes
