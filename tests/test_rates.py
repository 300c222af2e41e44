import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.rates import SMOOTHING_SECONDS, RateMeter


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


def at_full_speed(clock):
    meter = RateMeter(clock)
    for size in (0, 1000):
        clock.now += 1
        meter.sample(size, size // 10)
    return meter


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20))
def test_a_rate_never_rises_while_nothing_comes(pauses):
    clock = Clock()
    meter = at_full_speed(clock)
    told = [(meter.bytes_per_second, meter.tokens_per_second)]

    for pause in pauses:
        clock.now += pause
        meter.sample(1000, 100)
        told.append((meter.bytes_per_second, meter.tokens_per_second))

    assert told == sorted(told, reverse=True)
    assert told[0] == (1000, 100)
    assert all(bytes_rate > 0 for bytes_rate, _ in told)


def test_a_rate_tends_to_nothing_while_nothing_comes():
    clock = Clock()
    meter = at_full_speed(clock)

    clock.now += 100 * SMOOTHING_SECONDS

    assert meter.bytes_per_second == pytest.approx(10)
    assert meter.tokens_per_second == pytest.approx(1)


def test_a_rate_recovers_with_what_comes_next():
    clock = Clock()
    meter = at_full_speed(clock)
    clock.now += 60
    stuck = meter.bytes_per_second

    for size in range(61_000, 101_000, 1000):
        meter.sample(size, size // 10)
        clock.now += 1

    assert stuck < 100
    assert meter.bytes_per_second == pytest.approx(1000, rel=0.1)


def test_a_shard_that_is_stuck_from_its_first_moment_has_a_falling_rate_too():
    clock = Clock()
    meter = at_full_speed(clock)

    meter.rest()
    clock.now += 1000
    meter.begin_shard()
    fresh = meter.bytes_per_second
    clock.now += 10 * SMOOTHING_SECONDS

    assert fresh == pytest.approx(1000)
    assert meter.bytes_per_second == pytest.approx(100)
