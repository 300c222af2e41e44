"""What a command can begin with before Django is loaded."""

from collections.abc import Sequence

from django.conf import settings

from datasets_app import children

ENGINE = "tokenizations.engine.child"
# A small job has no more shards to share; a large one does not notice when the other children come later.
CHILDREN = 4


def begin(arguments: Sequence[str]) -> None:
    """`tokenize --here` will need the engine: it loads as long as Django does."""
    if arguments[1:2] == ["tokenize"] and "--here" in arguments:
        children.start_early(ENGINE, settings.CHILD_MEMORY_BYTES, min(settings.SLOTS, CHILDREN))
