"""Downloads from a real Hub on loopback, through the real child, slot, importer and database."""

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from datasets_app import cards, keeper, storage
from datasets_app.access import CONTROL, can
from datasets_app.downloading import DownloadWork, Outcome, download_dataset
from datasets_app.downloads import Download, DownloadShard
from datasets_app.errors import JobError
from datasets_app.hub_forms import LookUpForm
from datasets_app.hub_tokens import HubToken
from datasets_app.importing import ImportWork
from datasets_app.ingest.hub.part_file import part_of
from datasets_app.jobs import Job, Stage, Status
from datasets_app.looking_up import ask_hub
from datasets_app.management.commands.import_hub import do_here
from datasets_app.models import Dataset, ImportShard, Sample
from datasets_app.progress import Progress
from datasets_app.slots import Slot
from datasets_app.templatetags.words import status_word
from tests import real
from tests.hub.examples import csv_bytes, jsonl_bytes, parquet_bytes
from tests.hub.faults import Cut, Slow, Unlike
from tests.hub.faults import Status as Answer
from tests.hub.fixtures import CANARY
from tests.hub.server import Hub

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "hf_otherOtherOtherOtherOtherOther01"
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"


@pytest.fixture(autouse=True)
def here(our_hub: Hub) -> None:
    """For all tests of this file."""


@pytest.fixture
def stories(hub: Hub) -> str:
    hub.add("lab/stories", {TRAIN: parquet_bytes(300), TEST: parquet_bytes(40, 300)})
    return "lab/stories"


def listed(name: str, token: str | None = None) -> dict[str, Any]:
    return dict(ask_hub("dataset", name, "main", None, token)["listing"])


def downloading(name: str, splits: list[str] | None = None, token: HubToken | None = None, **fields: Any) -> Download:
    listing = listed(name, token.reveal() if token else None)
    chosen = splits or [split["name"] for split in listing["splits"]]
    dataset, _ = download_dataset(listing, name.rpartition("/")[2], chosen, "here", token=token, **fields)
    return Download.objects.get(dataset=dataset)


def brought_in() -> Dataset:
    real.work_off(DownloadWork())
    real.work_off(ImportWork())
    return Dataset.objects.select_related("import_job").get()


def test_a_dataset_of_the_hub_becomes_one_of_ours(stories: str) -> None:
    job = downloading(stories)

    dataset = brought_in()

    job.refresh_from_db()
    assert (job.status, job.stage) == (Status.READY, Stage.COMPLETE)
    assert dataset.is_ready
    assert {split["name"]: split["rows"] for split in dataset.splits} == {"train": 300, "test": 40}
    assert dataset.text_column == "text"
    assert not storage.download_dir(job.pk).exists()
    told = [event.text.partition(" in ")[0].partition(",")[0] for event in dataset.events.filter(kind="ready")]
    assert told == ["Import finished: 340 rows", "Download finished: 2 files"]


def test_only_the_chosen_splits_are_fetched(hub: Hub, stories: str) -> None:
    downloading(stories, ["test"])
    asked_before = len(hub.asked_for(TRAIN))

    dataset = brought_in()

    assert [split["name"] for split in dataset.splits] == ["test"]
    assert len(hub.asked_for(TRAIN)) == asked_before


def test_the_same_request_twice_joins_the_first(stories: str) -> None:
    listing = listed(stories)

    first, of_first = download_dataset(listing, "one", ["train", "test"], "here")
    second, of_second = download_dataset(listing, "two", ["test", "train"], "here")
    other, of_other = download_dataset(listing, "three", ["test"], "here")

    assert (first.pk, of_first, of_second, of_other) == (second.pk, Outcome.NEW, Outcome.THERE, Outcome.NEW)
    assert other.pk != first.pk


def test_what_was_deleted_is_not_joined(stories: str) -> None:
    listing = listed(stories)
    first, _ = download_dataset(listing, "one", ["test"], "here")
    first.mark_for_deletion(None)

    second, outcome = download_dataset(listing, "one", ["test"], "here")

    assert outcome is Outcome.NEW
    assert second.pk != first.pk


def test_a_cut_body_goes_on_where_it_was_cut(hub: Hub) -> None:
    hub.add("lab/long", {"train.jsonl": jsonl_bytes(20_000)})
    downloading("lab/long")
    before = len(hub.asked_for("train.jsonl"))
    hub.fault("train.jsonl", Cut(1_000_000))

    dataset = brought_in()

    assert dataset.rows == 20_000
    assert [asked.range for asked in hub.asked_for("train.jsonl")[before:]] == [None, "bytes=1000000-"]


def test_a_cancelled_download_keeps_its_bytes_for_a_retry(hub: Hub) -> None:
    hub.add("lab/slow", {"train.jsonl": jsonl_bytes(20_000)})
    job = downloading("lab/slow")
    before = len(hub.asked_for("train.jsonl"))
    hub.fault("train.jsonl", Slow(0.05, 64 << 10))
    thread = threading.Thread(target=real.work_off, args=[DownloadWork()])
    thread.start()
    while not DownloadShard.objects.filter(job=job, bytes_done__gt=0).exists():
        threading.Event().wait(0.05)
    assert job.cancel(None)
    thread.join(5)
    assert not thread.is_alive()
    assert real.fresh(job).status == Status.CANCELLED
    shard = DownloadShard.objects.get(job=job)
    assert shard.bytes_done == part_of(shard.path).stat().st_size > 0

    real.fresh(job).requeue(None)
    dataset = brought_in()

    assert dataset.rows == 20_000
    last = hub.asked_for("train.jsonl")[before:][-1]
    assert last.range is not None
    assert int(last.range.removeprefix("bytes=").rstrip("-")) > 0


def test_what_was_cancelled_goes_on_for_whoever_asks_for_it(stories: str, owner: User, colleague: User) -> None:
    job = downloading(stories, created_by=owner)
    slot = Slot(DownloadWork())
    slot.work_once()
    slot.close()
    real.fresh(job).cancel(owner)

    again, outcome = download_dataset(listed(stories), "mine", ["train", "test"], "here", created_by=colleague)

    assert (again.pk, outcome) == (job.dataset_id, Outcome.RESUMED)
    job = real.fresh(job)
    assert (job.status, job.created_by) == (Status.QUEUED, colleague)
    event = again.events.filter(kind="queued").first()
    assert event is not None
    assert (event.actor, event.text) == (colleague, "Download queued again: 1 of 2 files are kept.")
    assert brought_in().import_job.created_by == colleague
    assert can(owner, CONTROL, job)


def test_what_failed_goes_on_with_another_s_token(hub: Hub, owner: User, colleague: User) -> None:
    hub.add("lab/gated", {"train.csv": csv_bytes(50)}, gated="manual")
    hub.add_token(CANARY, "lab/gated")
    hub.add_token(OTHER, "lab/gated")
    once = HubToken.store(owner, "once", CANARY, kept=False)
    hers = HubToken.store(colleague, "hers", OTHER)
    job = downloading("lab/gated", token=once, created_by=owner)
    hub.fault("train.csv", Answer(403, {"X-Error-Code": "GatedRepo"}))
    real.work_off(DownloadWork())
    assert "licence" in real.fresh(job).failure

    downloading("lab/gated", token=hers, created_by=colleague)
    dataset = brought_in()

    assert (dataset.pk, dataset.rows) == (job.dataset_id, 50)
    assert hub.asked_for("train.csv")[-1].token == f"Bearer {OTHER}"
    assert list(HubToken.objects.all()) == [hers]


def test_a_download_whose_token_was_deleted_goes_on_with_another_one(hub: Hub, owner: User) -> None:
    hub.add("lab/gated", {"train.csv": csv_bytes(50)}, gated="manual")
    hub.add_token(CANARY, "lab/gated")
    token = HubToken.store(owner, "mine", CANARY)
    downloading("lab/gated", token=token, created_by=owner)
    token.delete()
    real.work_off(DownloadWork())

    downloading("lab/gated", token=HubToken.store(owner, "new", CANARY), created_by=owner)

    assert brought_in().rows == 50


def test_an_import_that_failed_goes_on_with_another_text_column(hub: Hub, stories: str) -> None:
    downloading(stories, text_column="nope")
    assert "no text column nope" in brought_in().import_job.failure
    downloading(stories, text_column="text")
    fetched, read = len(hub.asked_for(TRAIN)), ImportShard.objects.get(split="train").attempts

    dataset = brought_in()

    assert (dataset.is_ready, dataset.text_column) == (True, "text")
    assert len(hub.asked_for(TRAIN)) == fetched
    assert ImportShard.objects.get(split="train").attempts == read


def test_a_command_leaves_to_others_what_is_paused_or_held(stories: str) -> None:
    job = downloading(stories)
    job.hold()
    with pytest.raises(JobError, match="is being done by another process"):
        do_here(job.dataset, uuid.uuid4())

    job.pause(None)

    with pytest.raises(JobError, match="Download of lab/stories is paused"):
        do_here(job.dataset, uuid.uuid4())


def test_a_command_takes_what_ended_before_it_could_hold_it_as_it_is(
    stories: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = downloading(stories)

    def too_late(job: Job) -> None:
        job.cancel(None)

    monkeypatch.setattr(Job, "hold", too_late)
    do_here(job.dataset, uuid.uuid4())

    assert real.fresh(job).status == Status.CANCELLED


def test_what_is_under_way_is_joined_as_it_is(stories: str, owner: User, colleague: User) -> None:
    downloading(stories, created_by=owner, text_column="text")

    job = downloading(stories, created_by=colleague)

    assert (job.created_by, job.dataset.text_column) == (owner, "text")


def test_a_dataset_that_is_deleted_while_it_downloads_leaves_nothing(hub: Hub) -> None:
    hub.add("lab/slow", {"train.jsonl": jsonl_bytes(20_000)})
    job = downloading("lab/slow")
    hub.fault("train.jsonl", Slow(0.05, 64 << 10))
    thread = threading.Thread(target=real.work_off, args=[DownloadWork()])
    thread.start()
    while not DownloadShard.objects.filter(job=job, bytes_done__gt=0).exists():
        threading.Event().wait(0.05)

    job.dataset.mark_for_deletion(None)
    thread.join(5)
    keeper.delete_datasets()

    assert not thread.is_alive()
    assert not Dataset.objects.exists()
    assert not DownloadShard.objects.exists()
    assert not storage.download_dir(job.pk).exists()


def test_the_page_hears_that_the_hub_asks_to_wait(hub: Hub) -> None:
    hub.add("lab/busy", {"train.csv": csv_bytes(50)})
    job = downloading("lab/busy")
    hub.fault("train.csv", Answer(429, {"Retry-After": "2"}))
    seen: list[int] = []
    told: list[dict[str, Any]] = []
    learn = DownloadWork.learn

    class Watched(DownloadWork):
        def learn(self, job: Any, message: dict[str, Any]) -> None:
            learn(self, job, message)
            waiting = cards.load_job(Download.objects.get(pk=job.pk))
            seen.append(waiting.job.waiting_seconds)
            told.append(waiting.as_dict())

    real.work_off(Watched())

    assert 1 <= seen[0] <= 2
    assert timezone.now() - timedelta(minutes=1) < told[0]["waits_until"] < timezone.now()
    assert "asks to wait" in told[0]["waits_for"]
    assert (told[0]["bytes_done"], told[0]["bytes_total"]) == (0, len(csv_bytes(50)))
    assert real.fresh(job).status == Status.READY
    assert "asks to wait" in real.fresh(job).waits_for


def test_a_wrong_checksum_fails_the_job_and_names_the_file(hub: Hub, stories: str) -> None:
    job = downloading(stories, ["test"])
    hub.fault(TEST, Unlike(), times=10)

    real.work_off(DownloadWork())

    failed = real.fresh(job)
    assert failed.status == Status.FAILED
    assert TEST in failed.failure
    assert not Dataset.objects.get().begun_import
    assert status_word(cards.load_ids([job.dataset_id])[0]) == "Download failed"


def test_a_card_is_not_ready_when_only_the_download_has_ended_well(stories: str) -> None:
    job = downloading(stories)
    real.work_off(DownloadWork())

    Dataset.objects.get().import_job.cancel(None)

    (card,) = cards.load_ids([job.dataset_id])
    assert real.fresh(job).status == Status.READY
    assert (card.status, status_word(card)) == (Status.CANCELLED, "Import cancelled")


def test_a_gated_dataset_needs_its_token_until_the_end(hub: Hub, db: None) -> None:
    hub.add("lab/gated", {"train.csv": csv_bytes(50)}, gated="manual")
    hub.add_token(CANARY, "lab/gated")
    user = User.objects.create_user("ada")
    token = HubToken.store(user, "once", CANARY, kept=False)
    with pytest.raises(JobError, match="gated"):
        listed("lab/gated")

    job = downloading("lab/gated", token=token, created_by=user)
    dataset = brought_in()

    assert dataset.rows == 50
    assert real.fresh(job).status == Status.READY
    assert not HubToken.objects.exists()


def test_a_download_whose_token_was_deleted_says_so(hub: Hub, db: None) -> None:
    hub.add("lab/gated", {"train.csv": csv_bytes(50)}, gated="manual")
    hub.add_token(CANARY, "lab/gated")
    user = User.objects.create_user("ada")
    token = HubToken.store(user, "mine", CANARY)
    job = downloading("lab/gated", token=token, created_by=user)
    token.delete()

    real.work_off(DownloadWork())

    assert real.fresh(job).failure == "The token of this download has been deleted."


def test_a_token_for_one_download_stays_until_the_last_that_has_it(hub: Hub, owner: User) -> None:
    for name in ("lab/gated", "lab/other"):
        hub.add(name, {"train.csv": csv_bytes(50)}, gated="manual")
    hub.add_token(CANARY, "lab/gated", "lab/other")
    once = HubToken.store(owner, "once", CANARY, kept=False)
    offered_before = list(HubToken.objects.untaken())
    jobs = [downloading(name, token=once, created_by=owner) for name in ("lab/gated", "lab/other")]
    jobs[1].pause(owner)

    real.work_off(DownloadWork())
    there, offered = HubToken.objects.exists(), LookUpForm(owner, "dataset").fields["token"].queryset.exists()
    real.fresh(jobs[1]).requeue(owner)
    real.work_off(DownloadWork())

    assert (offered_before, there, offered) == ([once], True, False)
    assert [real.fresh(job).status for job in jobs] == [Status.READY, Status.READY]
    assert not HubToken.objects.exists()


@pytest.mark.parametrize("rows", [1, 150, 299, 300, 301, 5000])
def test_only_the_first_rows_of_each_split_are_kept(hub: Hub, rows: int) -> None:
    files = {f"data/train-{part:05d}-of-00003.parquet": parquet_bytes(150, part * 150) for part in range(3)}
    hub.add("lab/parts", {**files, TEST: parquet_bytes(200)})
    downloading("lab/parts", rows=rows)

    dataset = brought_in()

    counts = {split["name"]: split["rows"] for split in dataset.splits}
    assert counts == {"train": min(rows, 450), "test": min(rows, 200)}
    assert dataset.rows == sum(counts.values())
    assert sum(part.rows for part in dataset.parts.all()) == dataset.rows


def test_a_deleted_dataset_leaves_nothing_of_its_download(stories: str) -> None:
    job = downloading(stories)
    slot = Slot(DownloadWork())
    slot.work_once()
    slot.close()
    assert any(storage.download_dir(job.pk).iterdir())

    Dataset.objects.get().mark_for_deletion(None)
    keeper.delete_datasets()

    assert not storage.download_dir(job.pk).exists()
    assert not Download.objects.exists()


def test_resumed_bytes_are_part_of_no_rate(hub: Hub) -> None:
    hub.add("lab/long", {"train.jsonl": jsonl_bytes(20_000)})
    job = downloading("lab/long")
    shard = DownloadShard.objects.get(job=job)
    shard.path.parent.mkdir(parents=True)
    whole = jsonl_bytes(20_000)
    shard.path.write_bytes(whole)  # killed when it had just been renamed

    real.work_off(DownloadWork())

    done = Download.objects.with_counts().get(pk=job.pk)
    assert done.status == Status.READY
    assert Progress(done).percent == 100
    assert not Sample.objects.filter(job_id=job.pk).exists()


def test_a_download_that_does_not_fit_the_disk_is_refused(stories: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda: 10)

    with pytest.raises(JobError, match=r"kB are to be downloaded, and the disk has room for 10 bytes\."):
        downloading(stories)

    assert not Dataset.objects.exists()


def test_what_others_have_yet_to_bring_is_not_free(hub: Hub, stories: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("lab/other", {"train.csv": csv_bytes(50)})
    first = downloading("lab/other")
    needed = listed(stories)["download_bytes"]
    monkeypatch.setattr(storage, "free_bytes", lambda: needed + first.bytes_total - 1)

    with pytest.raises(JobError, match="of other downloads"):
        downloading(stories)
    first.cancel(None)

    assert downloading(stories).status == Status.QUEUED


def test_what_is_here_already_needs_no_room(stories: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = downloading(stories)
    slot = Slot(DownloadWork())
    slot.work_once()
    slot.close()
    left = sum(shard.bytes_total for shard in job.shards.exclude(state="done"))
    monkeypatch.setattr(storage, "free_bytes", lambda: 0)
    assert downloading(stories) == job
    real.fresh(job).cancel(None)

    with pytest.raises(JobError, match="has room for 0 bytes"):
        downloading(stories)
    monkeypatch.setattr(storage, "free_bytes", lambda: left)

    assert downloading(stories).status == Status.QUEUED
