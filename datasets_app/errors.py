from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC

from datasets_app.masking import masked
from datasets_app.names import whole


class JobError(Exception):
    """An expected failure, told to the user: what happened and where, and in `advice` what to do about it.

    Its texts may quote others' errors, so tokens are masked in them. `kind` is "" or a word for code that has to tell
    failures apart; it comes over a child's pipe too.
    """

    kind: str = ""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(masked(whole(message)))
        self.advice = masked(whole(advice))


def refuse_token(text: str) -> None:
    """JobError if what is to be stored and shown is a token, which it does not quote."""
    if masked(text) != text:
        raise JobError("This is a token, and what stands here is shown to others.", "Add it under Hub tokens.")


class Cancelled(Exception):
    """The job no longer runs, or its lease was lost: stop, and remove your own files."""


@contextmanager
def disk_full_explained() -> Iterator[None]:
    """Turn a full disk into a JobError."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise JobError("The disk is full.", "Free some space, then try again.") from error
        raise
