import dramatiq

from datasets_app.downloading import DownloadWork
from datasets_app.importing import ImportWork
from datasets_app.looking_up import answer_all
from datasets_app.lookups import ACTORS, LookUp
from datasets_app.models import Import
from datasets_app.slots import drain_in_turn

LOOK_UP_QUEUE, LOOK_UP = ACTORS[LookUp.Of.DATASET]


# No retries and no time limit: the broker has no middleware for either, so these actors cannot be given any.
@dramatiq.actor(actor_name=Import.actor, queue_name=Import.queue)
def import_files() -> None:
    """A wake-up: drain the files that wait to be read or downloaded. A large download lets imports pass."""
    drain_in_turn(ImportWork, DownloadWork)


@dramatiq.actor(actor_name=LOOK_UP, queue_name=LOOK_UP_QUEUE)
def look_up() -> None:
    """A wake-up: answer the questions to the Hub that wait."""
    answer_all()
