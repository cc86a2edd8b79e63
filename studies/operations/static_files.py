"""Static files under names with the hash of their content, which browsers may keep for good."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed names once `collectstatic` has written its manifest, plain ones before.

    A file that the manifest does not know, because it is new and nothing was collected since, keeps its plain name: a
    page without a style is better than none.
    """

    def stored_name(self, name: str) -> str:
        return self.hashed_files.get(self.hash_key(self.clean_name(name)), name)
