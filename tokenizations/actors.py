import dramatiq

from datasets_app.looking_up import answer_each
from datasets_app.lookups import ACTORS, LookUp
from datasets_app.slots import drain_in_turn
from tokenizations.from_hub import added
from tokenizations.models import Tokenization
from tokenizations.tokenizing import TokenizeWork

FETCH_QUEUE, FETCH = ACTORS[LookUp.Of.FILES]


# No retries and no time limit: the broker has no middleware for either, so these actors cannot be given any.
@dramatiq.actor(actor_name=Tokenization.actor, queue_name=Tokenization.queue)
def tokenize_shards() -> None:
    """A wake-up: drain the shards that wait."""
    drain_in_turn(TokenizeWork)


@dramatiq.actor(actor_name=FETCH, queue_name=FETCH_QUEUE)
def fetch_tokenizers() -> None:
    """A wake-up: bring in the tokenizers of the Hub that wait."""
    answer_each(added, LookUp.Of.FILES)
