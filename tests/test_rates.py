import pytest

from datasets_app.rates import RateMeter


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_there_is_no_rate_before_the_second_sample():
    meter = RateMeter(Clock())

    meter.sample(1000, 10)

    assert meter.bytes_per_second is None


def test_a_steady_stream_has_its_own_rate():
    clock = Clock()
    meter = RateMeter(clock)

    for step in range(20):
        clock.now = 100 + step / 2
        meter.sample(step * 500, step * 50)

    assert meter.bytes_per_second == pytest.approx(1000)
    assert meter.tokens_per_second == pytest.approx(100)


def test_the_rate_carries_over_a_rest():
    clock = Clock()
    meter = RateMeter(clock)
    meter.sample(0, 0)
    clock.now += 1
    meter.sample(1000, 100)

    meter.rest()
    meter.begin_shard()
    clock.now += 60
    meter.sample(10, 1)

    assert meter.bytes_per_second == pytest.approx(1000)


def test_what_lies_between_two_shards_takes_its_time_too():
    clock = Clock()
    meter = RateMeter(clock)

    for _ in range(20):
        meter.begin_shard()
        for size in (1000, 2000):
            clock.now += 1
            meter.sample(size, size // 10)
        clock.now += 2  # saving, claiming, loading

    assert meter.bytes_per_second == pytest.approx(500, rel=0.2)


def test_silence_between_batches_is_not_a_stand_still():
    clock = Clock()
    meter = RateMeter(clock)
    meter.sample(0, 0)
    clock.now += 1
    meter.sample(1000, 100)
    clock.now += 0.5
    meter.sample(1000, 100)

    assert meter.bytes_per_second == pytest.approx(1000)
