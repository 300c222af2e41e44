"""When a process of ours has to end: it is told to, or the process that started it is gone."""

import os
import select
import signal
import threading
import time
from types import FrameType

LIFELINE = "TOKENYARD_LIFELINE"
GRACE_SECONDS = 6


class Lifeline:
    """The parent's side: a pipe that only this process holds open, so children see it end however we die."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()

    def environment(self) -> dict[str, str]:
        return {LIFELINE: str(self.reader)}

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


def follow_parent() -> None:
    """End when the parent that handed us a lifeline has ended; without one, do nothing."""
    reader = os.environ.pop(LIFELINE, "")  # popped: for our own children the number would mean another file
    if reader:
        threading.Thread(target=_end_with_parent, args=(int(reader),), name="lifeline", daemon=True).start()


def _end_with_parent(reader: int) -> None:
    os.read(reader, 1)  # nobody ever writes: this returns when the last writer is gone
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


class Stop:
    """Told to end, by SIGTERM, SIGINT or SIGHUP. Whoever is not gone GRACE_SECONDS later is ended by the kernel."""

    def __init__(self) -> None:
        # A pipe, because setting a threading.Event in a signal handler can deadlock with its own wait().
        self._reader, self._writer = os.pipe()
        for number in end_signals():
            signal.signal(number, self._told)

    def wait(self, seconds: float | None = None) -> bool:
        """True as soon as we were told, False after so many seconds."""
        return bool(select.select([self._reader], [], [], seconds)[0])

    def _told(self, number: int, frame: FrameType | None) -> None:
        end_soon()
        os.write(self._writer, b".")


def end_soon() -> None:
    """The kernel's alarm ends us even when native code never returns to Python."""
    signal.alarm(GRACE_SECONDS)


def end_signals() -> list[signal.Signals]:
    """The signals that mean "end"; under nohup a lost terminal does not."""
    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals
