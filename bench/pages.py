"""Measures the pages: how fast they answer while the workers saturate the cores, how a long list does, what it weighs.

`python -m bench.pages`: a stack of its own, as `manage.py up` starts it, with a library of 1,000 datasets.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import bench.environment  # noqa: F401
from bench import table
from bench.arrivals import percentiles
from bench.busy import engines, wants_to_run, watched
from bench.live import KB, SLOTS
from bench.peer import Message, Peer, peer
from bench.visitor import FRAGMENT, Visitor
from bench.weight import weigh
from datasets_app.listing import CARDS_A_PAGE
from tests.real import WORDS
from tests.stack import Stack, running_stack, wait_for

DATASETS = 1000
REQUESTS_A_SECOND = 10.0
# Idle is measured before and after, half of the requests each.
IDLE_REQUESTS, BUSY_REQUESTS = 40, 80
LIST_REQUESTS = 30
WARM_UP_REQUESTS = 5
REST_SECONDS = 30.0
SHOWN = ("p50_ms", "p95_ms")
SORTS = ("", "name", "-rows", "-bytes", "-created_at")
FILTERS = ("status=ready", "source=server", "owner=me", "tokenized=yes", "tokenized=no")

Seconds = dict[str, list[float]]

WEIGHED = {"list": "/", "all tokenized": "/?tokenized=yes"}
# The address of the nth request of each kind.
LISTS: dict[str, Callable[[int], str]] = {
    "paging": lambda number: f"/?page={1 + number * 2 % (DATASETS // CARDS_A_PAGE)}",
    "searching": lambda number: f"/?q={WORDS[number % len(WORDS)]}",
    "sorting": lambda number: f"/?sort={SORTS[number % len(SORTS)]}",
    "filtering": lambda number: f"/?{FILTERS[number % len(FILTERS)]}",
}


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as on Ctrl-C, everything is ended on the way out
    figures = measure()
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n\n".join("\n".join(table.lines(rows)) for rows in figures.values()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure() -> dict[str, list[Message]]:
    with (
        running_stack(TOKENYARD_SLOTS=str(SLOTS)) as stack,
        tempfile.TemporaryDirectory() as folder,
        peer("bench.library", env=stack.env) as library,
    ):
        bench = Bench(stack, library, folder)
        return {"weight": bench.weights(), "list": bench.lists(), "pages": bench.pages()}


class Bench:
    def __init__(self, stack: Stack, library: Peer, folder: str) -> None:
        self.stack, self.library, self.folder = stack, library, folder
        (cookie,) = library.ask("people", count=1)["cookies"]
        self.visitor = Visitor(stack.url, cookie)
        made = library.ask("fill", datasets=DATASETS)
        self.paths = {
            "list": "/",
            "dataset": f"/datasets/{made['dataset']}/",
            "tokenization": f"/tokenizations/{made['tokenization']}/",
            "health": "/health/",
        }

    def weights(self) -> list[Message]:
        return [row for name, path in WEIGHED.items() for row in self.weigh(name, path)]

    def weigh(self, name: str, path: str) -> list[Message]:
        """A page with all its CSS and JavaScript, in kB."""
        page = self.visitor.get(path)
        sent = {"page": page.sent}

        def read(address: str) -> bytes:
            answer = self.visitor.get(address)
            sent[address] = answer.sent
            return answer.body

        loaded = weigh(page.body.decode(), read)
        return [{"kB": name, **in_kilobytes(loaded)}, {"kB": f"{name}, as sent", **in_kilobytes(sent)}]

    def lists(self) -> list[Message]:
        forms: dict[str, dict[str, str]] = {"fragment": FRAGMENT, "page": {}}
        return [
            {"list": f"{kind} ({form})", **self.listed(address, headers)}
            for kind, address in LISTS.items()
            for form, headers in forms.items()
        ]

    def listed(self, address: Callable[[int], str], headers: dict[str, str]) -> Message:
        self.visitor.get(address(0), headers)
        seconds = [self.visitor.get(address(number), headers).seconds for number in range(LIST_REQUESTS)]
        return {**shown(seconds), "requests": LIST_REQUESTS}

    def pages(self) -> list[Message]:
        """The pages show the same work all the time, paused while the machine is idle."""
        seconds = BUSY_REQUESTS * len(self.paths) / REQUESTS_A_SECOND
        self.library.ask("load", folder=self.folder, seconds=seconds)
        before = self.visit_idle()
        busy, share = self.visit_busy()
        after = self.visit_idle()
        return [response(page, before[page] + after[page], busy[page], share) for page in self.paths]

    def visit_idle(self) -> Seconds:
        self.library.ask("pause")
        wait_for(lambda: not any(map(wants_to_run, engines(self.stack))), REST_SECONDS, "an end of the work")
        self.visit(WARM_UP_REQUESTS)
        return self.visit(IDLE_REQUESTS)

    def visit_busy(self) -> tuple[Seconds, float]:
        self.library.ask("resume")
        with watched(self.stack, SLOTS) as busy:
            times = self.visit(BUSY_REQUESTS)
        return times, busy.share

    def visit(self, times: int) -> Seconds:
        """Each page so often, in turn, at the pace of somebody who looks around."""
        seconds: Seconds = {page: [] for page in self.paths}
        began = time.monotonic()
        for number, page in enumerate(list(self.paths) * times):
            time.sleep(max(0.0, began + number / REQUESTS_A_SECOND - time.monotonic()))
            seconds[page].append(self.visitor.get(self.paths[page]).seconds)
        return seconds


def response(page: str, idle: list[float], busy: list[float], share: float) -> Message:
    idle_figures, busy_figures = shown(idle), shown(busy)
    return {
        "response": page,
        **{f"idle_{name}": figure for name, figure in idle_figures.items()},
        **{f"busy_{name}": figure for name, figure in busy_figures.items()},
        "p95_ratio": busy_figures["p95_ms"] / idle_figures["p95_ms"],
        "workers_busy_share": share,
    }


def shown(seconds: list[float]) -> dict[str, Any]:
    figures = percentiles(np.array(seconds))
    return {name: figures[name] for name in SHOWN}


def in_kilobytes(weights: dict[str, int]) -> Message:
    return {name: size / KB for name, size in {**weights, "total": sum(weights.values())}.items()}


if __name__ == "__main__":
    main()
