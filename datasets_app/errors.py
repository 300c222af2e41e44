class JobError(Exception):
    """An expected failure, told to the user: what happened and where, and in `advice` what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class Cancelled(Exception):
    """The job no longer runs, or its lease was lost: stop, and remove your own files."""
