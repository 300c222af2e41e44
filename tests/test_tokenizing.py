"""Whole tokenizations through the real importer, slot, child and engine, in this process."""

import json
import os
import re
import signal
import threading

import datasets
import pytest
from tokenizers import Tokenizer as HubTokenizer

from datasets_app import slots, storage
from datasets_app.jobs import Status
from datasets_app.models import Event
from datasets_app.shards import Shard
from tests import real
from tokenizations.engine.output_files import files_of, verify
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenization, tokenize
from tokenizations.tokenizing import TokenizeWork

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 800


@pytest.fixture
def dataset(tmp_path):
    return real.imported("prose", real.parquet(tmp_path / "a.parquet", real.texts(ROWS)))


@pytest.fixture
def tokenizer(tmp_path):
    return real.added("small", real.byte_bpe(tmp_path / "tokenizer.json"))


def counted(job):
    return Tokenization.objects.with_counts().get(pk=job.pk)


def test_a_finished_tokenization_opens_with_load_from_disk(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer, max_length=64)

    opened = datasets.load_from_disk(str(job.path))
    sums = counted(job)
    assert job.status == Status.READY, job.failure
    assert opened["train"].num_rows == sums.total_kept
    assert max(len(ids) for ids in opened["train"]["input_ids"]) == 64
    assert sum(len(ids) for ids in opened["train"]["input_ids"]) == sums.total_tokens


def test_every_row_lands_exactly_once(dataset, tokenizer):
    job = counted(real.tokenized(dataset, tokenizer, filter_mode="standard", filter_threshold=0.4))

    assert job.total_kept + job.total_filtered + job.total_errored == job.total_processed == job.rows_total == ROWS
    assert job.total_filtered_empty > 0
    assert job.total_filtered_junk > 0


def test_the_manifest_vouches_for_every_file(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer)

    manifest = json.loads((job.path / "manifest.json").read_text())
    verify(job.path, files_of(manifest))
    on_disk = {str(path.relative_to(job.path)) for path in job.path.rglob("*") if path.is_file()}
    assert on_disk == {file.path for file in files_of(manifest)} | {"manifest.json"}


def test_nothing_is_visible_before_the_end(dataset, tokenizer, monkeypatch):
    seen = []

    def stop(*args, **kwargs):
        seen.extend(path.name for path in storage.tokenization_dir(job.pk).rglob("*.json"))
        raise KeyboardInterrupt

    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    monkeypatch.setattr(slots.Keep, "ask", stop)
    with pytest.raises(KeyboardInterrupt):
        real.work_off(TokenizeWork())

    assert seen == []
    assert real.fresh(job).status == Status.RUNNING


def test_a_job_is_saved_before_the_shards_of_others_are_begun(dataset, tokenizer):
    first, second = (real.tokenize(dataset, tokenizer, real.Spec("", (), max_length=n), None)[0] for n in (8, 9))
    slot = slots.Slot(TokenizeWork())

    slot.work_once()
    slot.work_once()
    slot.close()

    assert [real.fresh(job).status for job in (first, second)] == [Status.READY, Status.QUEUED]


def test_a_finalization_that_was_cut_short_is_done_again(dataset, tokenizer, monkeypatch):
    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    with monkeypatch.context() as patch:
        patch.setattr(Tokenization, "complete", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            real.work_off(TokenizeWork())
    assert real.fresh(job).status == Status.FAILED
    assert not (storage.tokenization_dir(job.pk) / "manifest.json").exists()

    real.fresh(job).requeue(None)
    real.work_off(TokenizeWork())

    assert real.fresh(job).status == Status.READY
    assert datasets.load_from_disk(str(job.path))["train"].num_rows > 0


def test_the_death_of_the_process_that_saves_fails_the_job_which_can_be_tried_again(dataset, tokenizer, monkeypatch):
    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    asked = slots.Keep.ask

    def die(keep, request):
        os.kill(keep._child.pid, signal.SIGSTOP)  # so that it does not answer first
        threading.Timer(0.2, os.kill, [keep._child.pid, signal.SIGKILL]).start()
        return asked(keep, request)

    with monkeypatch.context() as patch:
        patch.setattr(slots.Keep, "ask", die)
        real.work_off(TokenizeWork())
    failed = real.fresh(job)
    assert (failed.status, failed.failure) == (
        Status.FAILED,
        "The process that saved the result was killed by signal 9.",
    )
    assert not (storage.tokenization_dir(job.pk) / "manifest.json").exists()

    failed.requeue(None)
    real.work_off(TokenizeWork())

    assert real.fresh(job).status == Status.READY


def test_a_cancel_between_two_reports_stops_the_work(dataset, tokenizer, monkeypatch):
    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    monkeypatch.setattr(slots, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(TokenizeWork, "learn", lambda self, job, message: job.cancel(None))

    real.work_off(TokenizeWork())

    job = counted(job)
    assert job.status == Status.CANCELLED
    assert job.total_processed == 0
    assert {shard.state for shard in job.shards.all()} == {Shard.State.WAITING}
    assert list(job.path.rglob("*.arrow")) == []
    assert list(slots.Path(slots.settings.SCRATCH_ROOT).glob("0*")) == []


def test_a_child_that_always_dies_fails_the_job_and_names_the_shard(dataset, tokenizer, monkeypatch):
    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    monkeypatch.setattr(slots.settings, "CHILD_MEMORY_BYTES", 1 << 20)

    real.work_off(TokenizeWork())

    job = real.fresh(job)
    assert job.status == Status.FAILED
    assert "Shard 1 of 1 (train, rows 0 to 799) stopped 3 times" in job.failure
    assert "memory" in job.failure


def test_rows_over_the_limit_of_the_settings_are_errored(dataset, tmp_path, settings):
    tokenizer = real.added("slow", real.wordpiece(tmp_path / "wordpiece.json"))
    sizes = [len(row.encode()) for row in real.texts(ROWS) if row]
    settings.REFERENCE_ROW_BYTES, settings.ERRORED_SHARE = max(sizes) - 1, 1.0

    job = counted(real.tokenized(dataset, tokenizer))

    assert (job.status, job.total_errored) == (Status.READY, sizes.count(max(sizes)))
    assert job.statistics["rows_lost"]["too_long"] == job.total_errored


def test_too_many_rows_over_the_limit_fail_the_job_which_names_the_setting(dataset, tmp_path, settings):
    tokenizer = real.added("slow", real.wordpiece(tmp_path / "wordpiece.json"))
    settings.REFERENCE_ROW_BYTES = 200

    job = real.tokenized(dataset, tokenizer)

    assert job.status == Status.FAILED
    assert "rows could not be encoded" in job.failure
    assert "raise TOKENYARD_REFERENCE_ROW_MB." in job.advice


def test_a_fault_of_ours_is_recorded_and_not_hidden(dataset, tokenizer, monkeypatch):
    job, _ = real.tokenize(dataset, tokenizer, real.Spec(text_column="", splits=()), None)
    monkeypatch.setattr(TokenizeWork, "learn", lambda *args: {}["missing"])

    with pytest.raises(KeyError):
        real.work_off(TokenizeWork())

    assert real.fresh(job).failure == f"{slots.FAULT} Shard 1 of 1 (train, rows 0 to 799) was under way."


def test_the_log_of_a_run_names_every_stage_and_what_was_saved(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer)

    told = [event.text for event in Event.objects.filter(job_id=job.pk).order_by("pk")]

    stages = [text.split(",")[0] for text in told if "started, after" in text]
    assert stages == [
        f"{stage} started"
        for stage in ("Loading Tokenizer", "Loading Dataset", "Analyzing Schema", "Tokenizing", "Saving")
    ]
    assert "Checkpoint: all shards saved." in told
    assert re.fullmatch(r"Tokenization with small finished: .* rows, after 0:\d\d of Saving\.", told[-1])


def test_the_same_wake_up_twice_does_nothing_more(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer)
    events = dataset.events.count()

    real.work_off(TokenizeWork())

    assert dataset.events.count() == events
    assert real.fresh(job).version == job.version


def test_statistics_are_of_documents_and_exact(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer)

    ids = datasets.load_from_disk(str(job.path))["train"]["input_ids"]
    lengths = sorted(len(row) for row in ids)
    assert job.statistics["rows"] == len(lengths)
    assert job.statistics["tokens"] == sum(lengths)
    assert (job.statistics["min"], job.statistics["max"]) == (lengths[0], lengths[-1])
    assert job.statistics["mean"] == pytest.approx(sum(lengths) / len(lengths))
    assert job.statistics["unique_tokens"] == len({token for row in ids for token in row})


def test_without_an_attention_mask_there_is_none(dataset, tokenizer):
    job = real.tokenized(dataset, tokenizer, attention_mask=False)

    assert datasets.load_from_disk(str(job.path))["train"].column_names == ["input_ids"]


def test_a_deleted_tokenization_leaves_nothing_behind(dataset, tokenizer):
    from datasets_app import keeper

    job = real.tokenized(dataset, tokenizer)

    job.mark_for_deletion(None)
    keeper.tick()

    assert not job.path.exists()
    assert not Tokenization.objects.filter(pk=job.pk).exists()


def test_a_deleted_dataset_leaves_nothing_behind(dataset, tokenizer):
    from datasets_app import keeper

    job = real.tokenized(dataset, tokenizer)

    dataset.mark_for_deletion(None)
    keeper.tick()

    assert not storage.dataset_dir(dataset.pk).exists()
    assert not job.path.exists()
    assert not type(dataset).objects.filter(pk=dataset.pk).exists()


def test_a_fast_encoder_that_is_wrong_is_found_out_and_everything_done_again(tmp_path):
    """fastokens overlooks a token beyond the vocabulary; the probe, which would have seen it, is left out here."""
    files = [real.parquet(tmp_path / f"{name}.parquet", [f"{name} stone"] * 1500) for name in ("a", "b")]
    dataset = real.imported("wrong", *files)
    path = real.byte_bpe(tmp_path / "tokenizer.json")
    content = json.loads(path.read_text())
    token = content["added_tokens"][0] | {"id": 5000, "content": "ston", "special": False}
    path.write_text(json.dumps(content | {"added_tokens": [*content["added_tokens"], token]}))
    tokenizer = real.added("wrong", path)
    job, _ = tokenize(dataset, tokenizer, Spec(text_column="", splits=()), None)
    Tokenization.objects.filter(pk=job.pk).update(encoder="fastokens")

    real.work_off(TokenizeWork())

    job.refresh_from_db()
    assert job.status == Status.READY, job.failure
    assert job.encoder == "tokenizers"
    assert "other tokens than tokenizers for row 0" in job.encoder_reason
    assert Event.objects.filter(job_id=job.pk, kind="encoder").count() == 1
    reference = HubTokenizer.from_file(str(tokenizer.path))
    found = datasets.load_from_disk(str(job.path))["train"]
    assert found[0]["input_ids"] == reference.encode("a stone").ids
    assert sorted(path.name for path in job.path.glob("staging/*")) == []
