import dramatiq

from datasets_app.slots import slot_of_this_thread
from tokenizations.models import Tokenization
from tokenizations.tokenizing import TokenizeWork


@dramatiq.actor(actor_name=Tokenization.actor, queue_name=Tokenization.queue, max_retries=0, time_limit=float("inf"))
def tokenize_shards() -> None:
    """A wake-up: drain the shards that wait."""
    slot_of_this_thread(TokenizeWork()).drain()
