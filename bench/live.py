"""Measures the live pages: how long after a commit every open tab shows it, while both cores tokenize.

`python -m bench.live --tabs 1000 --rate 4 --seconds 20`: a stack of its own, as `manage.py up` starts it; so many
WebSocket clients on one card; a job whose every commit is timed. Beside it the stock pattern, unless --no-stock.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

import bench.environment  # noqa: F401
from bench import table
from bench.arrivals import Arrivals, Commits, percentiles
from bench.busy import watched
from bench.peer import ANSWER_SECONDS, Message, Peer, peer
from datasets_app.management.commands.up import free_port, listens
from tests.stack import Stack, running_stack, wait_for

SLOTS = 2
PEOPLE = 20
STOCK_TABS = 1000
SETTLE_SECONDS = QUIET_SECONDS = 3.0
# Bounds on what takes less.
START_SECONDS = 60.0
JOIN_SECONDS, JOIN_SECONDS_A_TAB = 30.0, 0.05
KB, MB, US = 1000, 1_000_000, 1_000_000
COMPARED = ("p50_ms", "p99_ms", "web_cpu_seconds", "cpu_us_per_delivery")


@dataclass(frozen=True)
class Server:
    """Where the tabs join (`{}` is the dataset), and the process that serves them."""

    name: str
    address: str
    process: psutil.Process

    @property
    def resident(self) -> int:
        return int(self.process.memory_info().rss)


@dataclass(frozen=True)
class Load:
    tabs: int
    rate: float
    seconds: float
    silent_share: float

    @property
    def silent(self) -> int:
        return round(self.tabs * self.silent_share)

    @property
    def join_seconds(self) -> float:
        """How long the tabs may take to join."""
        return JOIN_SECONDS + JOIN_SECONDS_A_TAB * self.tabs

    @property
    def longest(self) -> float:
        return self.join_seconds + SETTLE_SECONDS + self.seconds + QUIET_SECONDS


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as on Ctrl-C, everything is ended on the way out
    rows = measure(options)
    if not options.json:
        print("\n".join(table.lines([*rows, ratio(rows)] if options.stock else rows)))
    elif options.stock:
        print(json.dumps(rows[0] | {"stock": rows[1], "ratio": ratio(rows)}))
    else:
        print(json.dumps(rows[0]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tabs", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=4.0, help="commits a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--silent-share", type=float, default=0.0, help="of the tabs that never read")
    parser.add_argument("--no-stock", dest="stock", action="store_false")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def ratio(rows: list[Message]) -> Message:
    """How many times as much the stock pattern takes."""
    ours, stock = rows
    return {"pattern": "ratio", **{name: stock[name] / ours[name] for name in COMPARED if ours[name]}}


def measure(options: argparse.Namespace) -> list[Message]:
    loads = [Load(options.tabs, options.rate, options.seconds, options.silent_share)]
    if options.stock:
        loads.append(Load(min(options.tabs, STOCK_TABS), options.rate, options.seconds, options.silent_share))
    with (
        running_stack(TOKENYARD_SLOTS=str(SLOTS), TOKENYARD_SOCKETS_PER_USER=str(options.tabs)) as stack,
        tempfile.TemporaryDirectory() as folder,
        peer("bench.driver", env=stack.env) as driver,
    ):
        driver.ask("load", folder=folder, seconds=sum(load.longest for load in loads))
        bench = Bench(stack, driver, Path(folder))
        rows = [bench.measure(bench.product(), loads[0])]
        for load in loads[1:]:
            with bench.stock() as server:
                rows.append(bench.measure(server, load))
        return rows


class Bench:
    def __init__(self, stack: Stack, driver: Peer, folder: Path) -> None:
        self.stack, self.driver, self.folder = stack, driver, folder
        self.cookies: list[str] = driver.ask("people", count=PEOPLE)["cookies"]

    def product(self) -> Server:
        return Server("tokenyard", f"{self.stack.url}/ws/live/?card={{}}", self.stack.part("web"))

    @contextmanager
    def stock(self) -> Iterator[Server]:
        port = free_port()
        with peer("bench.stock", "--port", str(port), env=self.stack.env) as server:
            wait_for(lambda: listens(port), START_SECONDS, "the stock server")
            yield Server("stock", f"http://127.0.0.1:{port}/ws/stock/{{}}/", psutil.Process(server.process.pid))

    def measure(self, server: Server, load: Load) -> Message:
        made = self.driver.ask("measure")
        resident = server.resident
        with self.tabs(server, load, made) as tabs:
            joined = tabs.answer(load.join_seconds + ANSWER_SECONDS)
            time.sleep(SETTLE_SECONDS)
            grown = server.resident - resident
            figures = self.drive(server, load, tabs)
        return {
            "pattern": server.name,
            "tabs": load.tabs,
            "joined": joined["joined"],
            "join_seconds": joined["seconds"],
            "kb_per_socket": grown / load.tabs / KB,
            **figures,
        }

    @contextmanager
    def tabs(self, server: Server, load: Load, made: Message) -> Iterator[Peer]:
        arguments = {
            "--url": server.address.format(made["dataset"]),
            "--fragment": f"job-{made['job']}-progress",
            "--tabs": str(load.tabs),
            "--silent-share": str(load.silent_share),
            "--join-seconds": str(load.join_seconds),
            "--out": str(self.folder / "arrivals.npz"),
        }
        flat = [text for pair in arguments.items() for text in pair]
        with peer("bench.tabs", *flat, "--cookies", *self.cookies) as tabs:
            yield tabs

    def drive(self, server: Server, load: Load, tabs: Peer) -> Message:
        processes = [server.process, psutil.Process(tabs.process.pid)]
        resident, cpu_before = server.resident, [cpu_seconds(process) for process in processes]
        with watched(self.stack, SLOTS) as busy:
            drive = {"rate": load.rate, "seconds": load.seconds, "stock": server.name == "stock"}
            commits = self.driver.ask("drive", load.seconds + ANSWER_SECONDS, **drive)["commits"]
            time.sleep(QUIET_SECONDS)
        web_cpu, client_cpu = (cpu_seconds(p) - before for p, before in zip(processes, cpu_before, strict=True))
        version = self.driver.ask("version")["version"]
        watched_until = time.monotonic()
        ended = tabs.ask("end")
        arrivals = Arrivals(self.folder / "arrivals.npz", range(load.silent, load.tabs))
        deliveries = arrivals.since(commits[0][1])
        return {
            **percentiles(arrivals.latencies(Commits.of(commits, watched_until))),
            "stale": arrivals.stale(version),
            "different": ended["different"],
            "closed": sum(ended["closed"].values()),
            "commits": len(commits),
            "deliveries": deliveries,
            "frames_per_second": deliveries / (load.tabs - load.silent) / load.seconds,
            "web_cpu_seconds": web_cpu,
            "client_cpu_seconds": client_cpu,
            "cpu_us_per_delivery": US * web_cpu / deliveries if deliveries else 0.0,
            "web_growth_mb": (server.resident - resident) / MB,
            "workers_busy_share": busy.share,
        }


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
