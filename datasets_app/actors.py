import dramatiq

from datasets_app.importing import ImportWork
from datasets_app.models import Import
from datasets_app.slots import slot_of_this_thread


# No retries and no time limit: the broker has no middleware for either, so these actors cannot be given any.
@dramatiq.actor(actor_name=Import.actor, queue_name=Import.queue)
def import_files() -> None:
    """A wake-up: drain the files that wait."""
    slot_of_this_thread(ImportWork()).drain()
