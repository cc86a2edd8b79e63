"""Uploads: staff may send an archive of a bounded size, nobody else any file at all."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler


class StaffUploads(TemporaryFileUploadHandler):
    """Files go to the disk block by block and never into memory.

    A form is parsed before any view can look at who sends it, for the CSRF token in it: so this is where participants
    and strangers are kept from filling the disk.
    """

    def handle_raw_input(
        self, input_data: Any, META: dict, content_length: int, boundary: bytes, encoding: str | None = None
    ) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        # Who sends it is asked only where it matters: participants' pages never look at the desk's sessions.
        if content_length > min(limit, settings.UPLOAD_MAX_BYTES) and self._staff:
            limit = settings.UPLOAD_MAX_BYTES
        if content_length > limit:
            raise RequestDataTooBig(f"A request of {content_length:,} bytes is larger than {limit:,}.")

    @cached_property
    def _staff(self) -> bool:
        return bool(getattr(getattr(self.request, "user", None), "is_staff", False))

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        if not self._staff:
            raise SkipFile
        super().new_file(*args, **kwargs)
