"""What computations of this installation start from: its catalogue, its storage and its finished artifacts."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from explainers.computations import InputError
from explainers.computations.inputs import InputSource, KnownResult, NetworkEntry
from studies.lib import storage
from studies.models import Artifact, Classifier, Image


class CatalogueSource(InputSource):
    """The rows and stored files of this installation."""

    def photographs(self, digests: Iterable[str]) -> Mapping[str, str]:
        return dict(Image.objects.filter(sha256__in=set(digests)).values_list("sha256", "file"))

    def read(self, name: str) -> bytes:
        return storage.read(name)

    @contextmanager
    def path(self, name: str) -> Iterator[Path]:
        """The stored file, copied to a temporary one where the storage is elsewhere."""
        try:
            yield Path(default_storage.path(name))
        except NotImplementedError:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / Path(name).name
                path.write_bytes(storage.read(name))
                yield path

    def network(self, digest: str) -> NetworkEntry:
        row = Classifier.objects.filter(digest=digest).first()
        if row is None:
            raise InputError(f"no classifier has the digest {digest[:12]}…")
        return entry_of(row)

    def results(self, digests: Sequence[str]) -> Mapping[str, KnownResult]:
        done = Artifact.objects.filter(state=Artifact.State.DONE)
        return done.in_bulk(list(dict.fromkeys(digests)), field_name="digest")

    def device(self) -> str:
        return settings.DEVICE


def entry_of(row: Classifier) -> NetworkEntry:
    """A classifier's row as computations read it."""
    return NetworkEntry(
        name=row.name,
        digest=row.digest,
        source=row.source,
        preprocessing=row.preprocessing,
        state_digest=row.state_digest,
        as_written=bool(row.lacks("faster")),
    )
