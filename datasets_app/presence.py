import logging
import os
import socket
import threading
import uuid

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from datasets_app.models import Worker

logger = logging.getLogger(__name__)

BEAT_SECONDS = 4


class Presence:
    """Says every few seconds that this worker process is there, and takes its name off the list at the end."""

    def __init__(self, queue: str, slots: int) -> None:
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.queue, self.slots = queue, slots
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=BEAT_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._quietly(self._beat)
            self._stopping.wait(BEAT_SECONDS)
        self._quietly(Worker.objects.filter(pk=self.id).delete)
        connection.close()

    def _beat(self) -> None:
        Worker.objects.update_or_create(
            pk=self.id, defaults={"queue": self.queue, "slots": self.slots, "seen_at": Now()}
        )

    def _quietly(self, call: object) -> None:
        try:
            call()  # type: ignore[operator]
        except (DatabaseError, InterfaceError) as error:
            logger.warning("This worker could not say that it is there: %s", error)
            connection.close()
