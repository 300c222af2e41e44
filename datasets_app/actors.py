import dramatiq

from datasets_app.importing import ImportWork
from datasets_app.models import Import
from datasets_app.slots import slot_of_this_thread


@dramatiq.actor(actor_name=Import.actor, queue_name=Import.queue, max_retries=0, time_limit=float("inf"))
def import_files() -> None:
    """A wake-up: drain the files that wait."""
    slot_of_this_thread(ImportWork()).drain()
