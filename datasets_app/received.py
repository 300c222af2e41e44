"""Files of a form that the web server has written to the disk already, as they came."""

import os
from typing import IO, Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from datasets_app.management.multipart import KEY_BYTES


class ReceivedFile(TemporaryUploadedFile):
    def __init__(self, file: IO[bytes], like: TemporaryUploadedFile) -> None:
        super(TemporaryUploadedFile, self).__init__(
            file, like.name, like.content_type, None, like.charset, like.content_type_extra
        )


class ReceivedFileHandler(TemporaryFileUploadHandler):
    """Takes the file whose key stands in its place, where `management.multipart` has put one."""

    def file_complete(self, file_size: int) -> Any:
        received: dict[bytes, IO[bytes]] = getattr(self.request, "scope", {}).get("files", {})
        if received and file_size == KEY_BYTES:
            self.file.seek(0)
            if file := received.pop(self.file.read(), None):
                self.file.close()
                file_size = file.seek(0, os.SEEK_END)
                self.file = ReceivedFile(file, self.file)
        return super().file_complete(file_size)
