import logging

from dramatiq.errors import ConnectionClosed

from datasets_app.management.commands.worker import OncePerOutage


def outage() -> logging.LogRecord:
    said = ("Consumer encountered a connection error: %s", (ConnectionClosed(OSError("gone")),))
    return logging.LogRecord("dramatiq.worker", logging.CRITICAL, __file__, 1, *said, None)


def test_an_outage_of_redis_is_one_calm_line() -> None:
    quiet, first = OncePerOutage(), outage()

    passed = [quiet.filter(record) for record in (first, outage(), outage())]

    assert passed == [True, False, False]
    assert (first.levelname, first.getMessage()) == ("WARNING", "Redis cannot be reached, trying again: gone")


def test_any_other_line_is_left_alone() -> None:
    record = logging.LogRecord("dramatiq.worker", logging.CRITICAL, __file__, 1, "broken: %s", (OSError("x"),), None)

    assert OncePerOutage().filter(record)
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, "broken: x")
