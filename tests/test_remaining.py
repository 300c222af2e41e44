"""The remaining time against a whole run that is played through with a clock of our own."""

import heapq
import random
from types import SimpleNamespace

import pytest

from datasets_app.jobs import Status
from datasets_app.progress import Progress
from datasets_app.rates import RateMeter
from datasets_app.samples import Speed, interval_at

SLOTS = 2
STARTUP_SECONDS = 4.0  # loading the tokenizer, the probe
BATCH_BYTES = 100_000
SHARD_BYTES = 2_000_000
BYTES_PER_SECOND = 400_000.0
SECONDS_A_ROW = 2e-5
SECONDS_A_SHARD = 0.5  # saving, publishing, claiming
TWENTY_PERCENT = 0.2
TENTH = 0.1


def skewed(rows, seed):
    """Most texts are short, a few are thousands of times as long."""
    chance = random.Random(seed)
    return [min(int(chance.paretovariate(0.9) * 40), 500_000) for _ in range(rows)]


def shards_of(lengths):
    """Each a list of batches (bytes, seconds), cut by bytes as the product cuts them."""
    shards, shard, batch = [], [], [0, 0.0]
    for length in lengths:
        batch = [batch[0] + length, batch[1] + SECONDS_A_ROW + length / BYTES_PER_SECOND]
        if batch[0] >= BATCH_BYTES:
            shard, batch = [*shard, batch], [0, 0.0]
        if sum(size for size, _ in shard) >= SHARD_BYTES:
            shards, shard = [*shards, shard], []
    return [*shards, [*shard, batch]]


class Run:
    """Slots that take shards from a queue; every batch is a sample of the slot's meter, as in a report."""

    def __init__(self, lengths):
        self.waiting = shards_of(lengths)
        self.total = sum(lengths)
        self.now = 0.0
        self.meters = [RateMeter(lambda: self.now) for _ in range(SLOTS)]
        self.at_work = [None] * SLOTS
        self.finished = 0
        self.speeds = []

    def play(self):
        """Yield after every batch; ends when everything is done."""
        events = [(STARTUP_SECONDS, slot, iter(())) for slot in range(SLOTS)]
        while events:
            self.now, slot, batches = heapq.heappop(events)
            yield
            batch = next(batches, None)
            if batch is None:
                self.finish(slot)
                if not self.waiting:
                    continue
                batches = self.begin(slot)
                batch = next(batches)
            heapq.heappush(events, (self.now + batch[1], slot, self.worked(slot, batch, batches)))

    def begin(self, slot):
        shard = self.waiting.pop(0)
        self.at_work[slot] = SimpleNamespace(total=sum(size for size, _ in shard), done=0)
        self.meters[slot].begin_shard()
        return iter([*shard, [0, SECONDS_A_SHARD]])

    def worked(self, slot, batch, batches):
        """The batch counts when its time is over, which is when its slot is looked at again."""

        def rest():
            self.at_work[slot].done += batch[0]
            self.meters[slot].sample(self.at_work[slot].done, self.at_work[slot].done // 4)
            self.sample()
            yield from batches

        return rest()

    def finish(self, slot):
        if self.at_work[slot]:
            self.finished += self.at_work[slot].total
        self.at_work[slot] = None
        if not self.waiting:
            self.meters[slot].rest()

    @property
    def done(self):
        return self.finished + sum(shard.done for shard in self.at_work if shard)

    @property
    def rate(self):
        pairs = zip(self.meters, self.at_work, strict=True)
        return sum(meter.bytes_per_second or 0 for meter, shard in pairs if shard) or None

    def sample(self):
        interval = interval_at(self.now)
        moment = self.now // interval * interval
        if self.rate and (not self.speeds or self.speeds[-1].seconds < moment):
            self.speeds.append(Speed(moment, self.rate, 0.0))

    @property
    def remaining(self):
        slowest = self.slowest()
        job = SimpleNamespace(
            status=Status.RUNNING,
            bytes_total=self.total,
            total_bytes_done=self.done,
            total_bytes_per_second=self.rate,
        )
        return Progress(job, slowest, self.speeds).remaining_seconds

    def slowest(self):
        running = [
            SimpleNamespace(bytes_left=shard.total - shard.done, bytes_per_second=meter.bytes_per_second)
            for meter, shard in zip(self.meters, self.at_work, strict=True)
            if shard
        ]
        return max(running, key=lambda shard: shard.bytes_left, default=None)


def told_after(share, lengths):
    """The remaining time told after this share of the work, and the one that it really was."""
    run = Run(lengths)
    told = None
    for _ in run.play():
        if told is None and run.done >= share * run.total:
            told, moment = run.remaining, run.now
    return told, run.now - moment


@pytest.mark.parametrize("seed", range(8))
def test_after_a_tenth_of_a_skewed_corpus_it_is_within_a_fifth(seed):
    told, really = told_after(TENTH, skewed(200_000, seed))

    assert really > 30
    assert told == pytest.approx(really, rel=TWENTY_PERCENT)


@pytest.mark.parametrize("order", [sorted, lambda lengths: sorted(lengths, reverse=True)], ids=["short", "long"])
def test_it_holds_where_the_short_or_the_long_texts_come_first(order):
    told, really = told_after(TENTH, order(skewed(200_000, 1)))

    assert told == pytest.approx(really, rel=TWENTY_PERCENT)


def test_it_is_hidden_until_there_are_two_samples_of_a_rate():
    run = Run(skewed(20_000, 2))
    hidden = []
    for _ in run.play():
        hidden.append(run.remaining is None)
        if not hidden[-1]:
            break

    assert hidden[:2] == [True, True]
    assert run.now > STARTUP_SECONDS


def job(done, total, rate):
    return SimpleNamespace(status=Status.RUNNING, bytes_total=total, total_bytes_done=done, total_bytes_per_second=rate)


def test_one_long_file_beside_many_short_ones_holds_the_job_up():
    straggler = SimpleNamespace(bytes_left=900, bytes_per_second=10.0)

    assert Progress(job(0, 1000, 40.0), straggler).remaining_seconds == pytest.approx(90)
    assert Progress(job(0, 1000, 40.0)).remaining_seconds == pytest.approx(25)


def test_a_paused_job_tells_none():
    paused = job(10, 100, 5.0)
    paused.status = Status.PAUSED

    assert Progress(paused).remaining_seconds is None
