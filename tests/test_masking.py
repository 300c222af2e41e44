"""Tokens never get into what people read: logs, tracebacks, events, error texts."""

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from datasets_app import masking
from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from datasets_app.jobs import Status
from datasets_app.masking import masked
from datasets_app.models import Event, Import
from tests import factories

TOKEN = "hf_" + "aB3" * 11 + "z"
LETTERS = st.sampled_from("abcXYZ0189")
TOKENS = st.builds("{}{}".format, st.sampled_from(["hf_", "api_org_"]), st.text(LETTERS, min_size=16, max_size=40))
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16)
PRINTS = f"""
import logging, sys, threading, warnings
from datasets_app.masking import mask_stderr
mask_stderr()
logging.getLogger("library").addHandler(logging.StreamHandler())
logging.getLogger("library").warning("header %s", "{TOKEN}")
warnings.warn("{TOKEN}")
thread = threading.Thread(target=int, args=["{TOKEN}"])
thread.start()
thread.join()
raise ValueError("{TOKEN}") from KeyError("{TOKEN}")
"""


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(masking, "_known", ())


@given(before=st.text(), token=TOKENS, after=st.text())
def test_a_token_is_masked_in_whatever_text(before, token, after):
    assert token not in masked(before + token + after)


@given(
    before=st.text(), secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16), after=st.text()
)
def test_what_is_known_is_masked_whatever_it_looks_like(before, secret, after):
    masking._known = ()
    masking.hide(secret)

    assert secret not in masked(before + secret + after)
    assert quote(secret, safe="") not in masked(before + quote(secret, safe="") + after)


def test_a_known_secret_that_begins_with_another_is_masked_whole():
    masking.hide("mirror-0123456789")
    masking.hide("mirror-0123456789-and-more")

    assert masked("<mirror-0123456789-and-more>") == "<…>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"with {TOKEN}, again", "with hf_…, again"),
        (f"https://user:{TOKEN}@hub.example/a", "https://user:hf_…@hub.example/a"),
        (f"x{TOKEN}", "xhf_…"),
        ("api_org_" + "a1" * 17, "api_org_…"),
        ("hf_oauth_eyJhbGciOi.eyJzdWIi-Q.c2ln_bmF0", "hf_…"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer …"),
        ("{'authorization': 'bearer abcdefgh'}", "{'authorization': 'bearer …'}"),
    ],
)
def test_what_is_left_of_a_text_can_still_be_read(text, said):
    assert masked(text) == said
    assert masked(said) == said


@pytest.mark.parametrize("text", ["hf_transfer", "lab/hf_benchmark", "HF_HUB_OFFLINE", "hf_…a1B2", "a bearer of news"])
def test_names_are_no_tokens(text):
    assert masked(text) == text


def logged(say):
    """What the handler of the settings writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    line = settings.LOGGING["formatters"]["line"]
    assert line["class"] == "datasets_app.masking.Formatter"
    handler.setFormatter(masking.Formatter(line["format"]))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    say(logger)
    return stream.getvalue()


def test_every_handler_of_ours_masks():
    assert set(settings.LOGGING["formatters"]) == {"line"}
    assert all(handler["formatter"] == "line" for handler in settings.LOGGING["handlers"].values())


def test_no_handler_is_left_that_does_not_mask():
    program = (
        "import django, logging; django.setup();"
        "names = [None, *logging.root.manager.loggerDict];"
        "print([type(h.formatter).__module__ for n in names for h in getattr(logging.getLogger(n), 'handlers', [])])"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "TOKENYARD_DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['datasets_app.masking']"


@given(before=st.text(), token=TOKENS, after=st.text())
def test_a_log_masks_messages_and_arguments(before, token, after):
    text = before + token + after

    assert token not in logged(lambda logger: logger.error("%s", text))
    assert token not in logged(lambda logger: logger.error("%r and %s", {"header": text}, [text]))
    assert token not in logged(lambda logger: logger.error(text.replace("%", "%%")))


def test_a_log_masks_tracebacks():
    def fail(logger):
        try:
            raise ValueError(TOKEN) from KeyError(f"Bearer {TOKEN}")
        except ValueError:
            logger.exception("It failed", stack_info=True)

    text = logged(fail)

    assert TOKEN not in text
    assert "ValueError: hf_…" in text


def test_standard_error_masks_what_others_write():
    done = subprocess.run(
        [sys.executable, "-c", PRINTS], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
    )

    assert TOKEN not in done.stderr
    assert "header hf_…" in done.stderr
    assert "UserWarning: hf_…" in done.stderr
    assert "invalid literal for int() with base 10: 'hf_…'" in done.stderr
    assert "KeyError: 'hf_…'" in done.stderr
    assert "ValueError: hf_…" in done.stderr


def test_a_child_that_crashes_prints_no_token(capfd):
    child = Child("tests.child_of_tests", memory_limit_bytes=1 << 30)

    with pytest.raises(ChildDied):
        list(child.run({"do": "crash", "text": TOKEN}))
    child.close()
    printed = capfd.readouterr().err

    assert TOKEN not in printed
    assert "ValueError: hf_…" in printed


def test_a_child_that_shouts_or_refuses_tells_no_token(capfd):
    child = Child("tests.child_of_tests", memory_limit_bytes=1 << 30)

    with pytest.raises(JobError) as refusal:
        list(child.run({"do": "refuse", "text": TOKEN}))
    list(child.run({"do": "shout", "text": TOKEN}))
    child.close()

    assert str(refusal.value) == "Row 3 has no text: hf_…."
    assert "more noise hf_…" in capfd.readouterr().err


def test_an_error_for_users_has_no_token():
    error = JobError(f"The Hub refused {TOKEN}.", f"Try without Bearer {TOKEN}.")

    assert (str(error), error.advice) == ("The Hub refused hf_….", "Try without Bearer hf_….")
    assert TOKEN not in repr(error)


@pytest.mark.django_db
def test_a_failed_job_keeps_no_token():
    job = factories.queued_dataset().import_job

    job.fail(f"It stopped: {TOKEN}", f"Use another than {TOKEN}")

    assert (job.status, job.failure, job.advice) == (Status.FAILED, "It stopped: hf_…", "Use another than hf_…")
    assert TOKEN not in json.dumps(list(Event.objects.values_list("text", flat=True)))


@pytest.mark.django_db
def test_no_way_to_write_an_event_or_a_failure_keeps_a_token():
    dataset = factories.queued_dataset()

    dataset.import_job.tell("stage", f"one {TOKEN}")
    Event.objects.bulk_create([Event(dataset=dataset, kind="stage", text=f"two {TOKEN}")])
    Import.objects.update(failure=f"three {TOKEN}")

    texts = [*Event.objects.order_by("pk").values_list("text", flat=True), Import.objects.get().failure]
    assert texts[-3:] == ["one hf_…", "two hf_…", "three hf_…"]
