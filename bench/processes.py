"""A command with all the processes it starts: how long it took, and how much memory each of them had at most."""

import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.conf import settings

LOOK_SECONDS = 0.05
# Set where machines are built: every process would compile all modules for itself, which nobody's does.
COMPILED_ANEW = "PYTHONDONTWRITEBYTECODE"
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Run:
    """Peaks in bytes: of its largest process, and of any child whose command line has `module`.

    `cpu` seconds are those of all its processes.
    """

    seconds: float
    cpu: float
    output: str
    peak: int
    peak_of_children: int


def measured(command: Sequence[str], env: dict[str, str], module: str = "") -> Run:
    """Ends this process, with what the other one said, if that fails."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={name: value for name, value in env.items() if name != COMPILED_ANEW},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peaks: dict[str, int] = {"": 0, module: 0}
    watcher = threading.Thread(target=watch, args=(process.pid, module, peaks))
    watcher.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - began
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()}")
    return Run(seconds, cpu, output.decode(), peaks[""], peaks[module])


def watch(pid: int, module: str, peaks: dict[str, int]) -> None:
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        while root.status() != psutil.STATUS_ZOMBIE:
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error, OSError):
                    peak = peak_bytes(process.pid)
                    peaks[""] = max(peaks[""], peak)
                    if module in process.cmdline():
                        peaks[module] = max(peaks[module], peak)
            time.sleep(LOOK_SECONDS)


def peak_bytes(pid: int) -> int:
    """The most physical memory that a process has had so far; 0 once it has ended."""
    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0
