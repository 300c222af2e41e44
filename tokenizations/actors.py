import dramatiq

from datasets_app.slots import drain_in_turn
from tokenizations.models import Tokenization
from tokenizations.tokenizing import TokenizeWork


# No retries and no time limit: the broker has no middleware for either, so these actors cannot be given any.
@dramatiq.actor(actor_name=Tokenization.actor, queue_name=Tokenization.queue)
def tokenize_shards() -> None:
    """A wake-up: drain the shards that wait."""
    drain_in_turn(TokenizeWork)
