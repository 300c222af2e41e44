"""What the operator's fixes make of files: real ones, missing ones, changed ones."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from datasets_app import keeper, repair, storage
from datasets_app.creating import create_dataset
from datasets_app.errors import JobError
from datasets_app.importing import ImportWork
from datasets_app.jobs import Status
from datasets_app.models import Dataset, Import, Part
from datasets_app.shards import Shard
from tests import real
from tests.admin_pages import act, address, delete, said, tables_updated
from tokenizations import repair as tokenization_repair
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db

ROWS = 300


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker, tmp_path_factory):
    """A real tokenization and a copy of its files: made once, because that takes three processes."""
    folder = tmp_path_factory.mktemp("made")
    with django_db_blocker.unblock():
        dataset = real.imported("prose", real.parquet(folder / "a.parquet", real.texts(ROWS), row_group_size=100))
        tokenizer = real.added("small", real.byte_bpe(folder / "tokenizer.json"))
        job = real.tokenized(dataset, tokenizer, filter_mode="standard", filter_threshold=0.4)
    assert job.status == Status.READY, job.failure
    homes = storage.dataset_dir(dataset.pk), job.path
    for home in homes:
        shutil.copytree(home, folder / home.name)
    yield job.pk, folder, homes
    with django_db_blocker.unblock():
        job.delete()
        dataset.delete()
        tokenizer.remove()
    for home in homes:
        storage.remove(home)


@pytest.fixture
def tokenized(made, db):
    job_id, folder, homes = made
    for home in homes:
        storage.remove(home)
        shutil.copytree(folder / home.name, home)
    return Tokenization.objects.select_related("dataset", "tokenizer").get(pk=job_id)


@pytest.fixture
def dataset(tokenized):
    return Dataset.objects.select_related("import_job").get(pk=tokenized.dataset_id)


def sums(job):
    counted = Tokenization.objects.with_counts().get(pk=job.pk)
    return {name: value for name, value in vars(counted).items() if name.startswith("total_") and "version" not in name}


# Verify files


def test_files_that_are_as_they_were_are_verified(admin_client, admin_user, tokenized):
    messages = [act(admin_client, "verify_files", item)[0] for item in (tokenized.dataset, tokenized)]

    assert messages[0] == "“prose”: 1 file verified: as recorded."
    assert "verified: as recorded" in messages[1]
    events = tokenized.dataset.events.filter(kind="verified")
    assert [event.actor for event in events] == [admin_user, admin_user]


def test_missing_and_changed_parts_are_named_and_the_dataset_stays_ready(admin_client, dataset):
    part = Part.objects.get(dataset=dataset)
    missing = Part.objects.create(
        dataset=dataset, split="test", index=0, name="part-00000.parquet", rows=1, bytes=1, sha256="0", row_groups=[]
    )
    with part.path.open("r+b") as file:
        file.write(b"?")

    messages = act(admin_client, "verify_files", dataset)

    found = "2 files verified: test/part-00000.parquet is missing, train/part-00000.parquet was changed."
    assert not missing.path.exists()
    assert messages == [f"“prose”: {found} {repair.IMPORT_AGAIN}"]
    assert dataset.events.get(kind="damaged").text == f"Import: {found}"
    assert Import.objects.get(dataset=dataset).status == Status.READY


def test_only_so_many_damaged_files_are_named():
    said = repair.verdict(100, [f"{number} is missing" for number in range(12)])

    assert said.endswith("9 is missing and 2 more.")


@pytest.mark.parametrize("role", ["arrow", "parquet", "json"])
def test_a_changed_file_of_an_output_is_named(admin_client, tokenized, role):
    changed = next(path for path in sorted(tokenized.path.rglob(f"*.{role}")) if path.name != "manifest.json")
    with changed.open("r+b") as file:
        file.write(b"?")

    messages = act(admin_client, "verify_files", tokenized)

    assert f"{changed.relative_to(tokenized.path)} was changed" in messages[0]
    assert Tokenization.objects.get(pk=tokenized.pk).status == Status.READY
    assert tokenized.dataset.events.filter(kind="damaged").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "manifest.json is missing"), ("{", "manifest.json cannot be read"), ("[]", "manifest.json cannot be read")],
)
def test_without_a_manifest_the_files_are_checked_all_the_same(admin_client, tokenized, content, found):
    manifest = tokenized.path / "manifest.json"
    manifest.unlink()
    if content:
        manifest.write_text(content)
    data = next(tokenized.path.rglob("*.arrow"))
    data.unlink()

    messages = act(admin_client, "verify_files", tokenized)

    assert found in messages[0]
    assert f"{data.relative_to(tokenized.path)} is missing" in messages[0]


def test_a_file_that_was_changed_together_with_the_manifest_is_found(admin_client, tokenized):
    manifest = tokenized.path / "manifest.json"
    listed = json.loads(manifest.read_text())
    data = next(file for file in listed["files"] if file["role"] == "data")
    data["sha256"] = "0" * 64
    manifest.write_text(json.dumps(listed))

    messages = act(admin_client, "verify_files", tokenized)

    assert "manifest.json was changed" in messages[0]
    assert data["path"] not in messages[0]


def test_a_dataset_that_is_deleted_while_its_files_are_read_gets_no_event(dataset, monkeypatch):
    def delete_meanwhile(files):
        Dataset.objects.get(pk=dataset.pk).mark_for_deletion(None)
        return []

    monkeypatch.setattr(repair, "faults_of", delete_meanwhile)

    with pytest.raises(JobError, match="It is being deleted"):
        repair.verify_dataset(dataset, None)

    assert not dataset.events.filter(kind="verified").exists()


# Recount from files


def test_wrong_counts_of_a_dataset_come_back_from_its_files(admin_client, dataset):
    right = Dataset.objects.filter(pk=dataset.pk).values("rows", "bytes", "splits", "fingerprint", "text_column")[0]
    groups = Part.objects.get(dataset=dataset).row_groups
    Dataset.objects.filter(pk=dataset.pk).update(rows=1, bytes=2, splits=[])
    Part.objects.filter(dataset=dataset).update(rows=5, bytes=5, row_groups=[])

    messages = act(admin_client, "recount", dataset)

    again = Dataset.objects.filter(pk=dataset.pk).values(*right)[0]
    assert again == right
    assert Part.objects.get(dataset=dataset).row_groups == groups
    assert messages[0].startswith(f"“prose”: Recounted: {ROWS} rows and ")
    assert dataset.events.filter(kind="recounted").count() == 1
    after = Dataset.objects.get(pk=dataset.pk)
    assert after.version > dataset.version
    assert after.content_version == dataset.content_version + 1 == 3


def test_a_part_that_cannot_be_read_leaves_the_counts_alone(admin_client, dataset):
    Part.objects.get(dataset=dataset).path.write_bytes(b"PAR1 not really")
    Dataset.objects.filter(pk=dataset.pk).update(rows=1)

    messages = act(admin_client, "recount", dataset)

    assert "train/part-00000.parquet cannot be read." in messages[0]
    assert Dataset.objects.get(pk=dataset.pk).rows == 1


def test_splits_keep_the_order_in_which_they_were_imported(tmp_path):
    files = [real.parquet(tmp_path / f"{split}.parquet", ["a"]) for split in ("train", "test")]
    described = [
        {"name": f.name, "path": str(f), "split": f.stem, "kind": "parquet", "bytes": f.stat().st_size} for f in files
    ]
    made = create_dataset("two", Dataset.Source.SERVER, described)
    real.work_off(ImportWork())
    dataset = Dataset.objects.get(pk=made.pk)

    repair.recount_dataset(dataset, None)

    assert dataset.split_names == Dataset.objects.get(pk=made.pk).split_names == ["train", "test"]


def test_wrong_counts_of_a_tokenization_come_back_from_its_ledgers(admin_client, tokenized):
    right, statistics, size = sums(tokenized), tokenized.statistics, tokenized.output_bytes
    nothing = {name: value for name, value in Shard.NOTHING_DONE.items() if name != "bytes_done"}
    TokenizationShard.objects.filter(job=tokenized).update(**nothing)
    Tokenization.objects.filter(pk=tokenized.pk).update(statistics=None, output_bytes=None)
    assert sums(tokenized) != right

    messages = act(admin_client, "recount", tokenized)

    tokenized.refresh_from_db()
    assert sums(tokenized) == right
    assert (tokenized.statistics, tokenized.output_bytes) == (statistics, size)
    assert min(right["total_filtered_empty"], right["total_filtered_junk"]) > 0
    assert f"{right['total_kept']:,} of {ROWS:,} rows kept, {right['total_tokens']:,} tokens." in messages[0]


def test_a_recount_locks_the_dataset_before_its_job_as_a_move_does(tokenized):
    locked = tables_updated(lambda: tokenization_repair.recount_tokenization(tokenized, None))

    assert locked[:2] == ["datasets_app_dataset", "tokenizations_tokenization"]


def test_a_ledger_that_lacks_rows_changes_nothing(admin_client, tokenized):
    ledger = next(tokenized.path.rglob("rows-*.parquet"))
    pq.write_table(pq.read_table(ledger).slice(0, 10), ledger)
    right = sums(tokenized)

    messages = act(admin_client, "recount", tokenized)

    assert "The ledger of shard 1 (train, rows 0 to 299) has 10 rows." in messages[0]
    assert sums(tokenized) == right


def test_a_ledger_that_contradicts_itself_changes_nothing(admin_client, tokenized):
    ledger = next(tokenized.path.rglob("rows-*.parquet"))
    table = pq.read_table(ledger)
    column = table.schema.get_field_index("kept")
    pq.write_table(table.set_column(column, "kept", [[True] * table.num_rows]), ledger)
    right = sums(tokenized)

    messages = act(admin_client, "recount", tokenized)

    assert "The ledgers contradict themselves." in messages[0]
    assert sums(tokenized) == right
    assert not tokenized.dataset.events.filter(kind="recounted").exists()


@pytest.mark.parametrize("pattern", ["rows-*", "statistics-*", "*.arrow", "manifest.json"])
def test_a_missing_file_is_named_and_changes_nothing(admin_client, tokenized, pattern):
    gone = next(tokenized.path.rglob(pattern))
    gone.unlink()
    version = Tokenization.objects.get(pk=tokenized.pk).version

    messages = act(admin_client, "recount", tokenized)

    assert gone.name in messages[0]
    assert Tokenization.objects.get(pk=tokenized.pk).version == version


def test_a_tokenization_deleted_while_it_is_counted_is_left_alone(tokenized, monkeypatch):
    def delete_meanwhile(home):
        Tokenization.objects.get(pk=tokenized.pk).mark_for_deletion(None)
        return 1

    monkeypatch.setattr(tokenization_repair, "output_bytes", delete_meanwhile)

    with pytest.raises(JobError, match="It is being deleted"):
        tokenization_repair.recount_tokenization(tokenized, None)

    assert Tokenization.objects.get(pk=tokenized.pk).output_bytes == tokenized.output_bytes


# Delete with files


def test_a_deletion_asks_first_and_says_what_goes(admin_client, tokenized):
    sent = {"action": "delete_selected", "_selected_action": [tokenized.dataset_id]}
    several = admin_client.post(address(Dataset, "changelist"), sent)
    one = admin_client.get(address(Dataset, "delete", tokenized.dataset_id))

    for page in (several, one):
        text = page.content.decode()
        assert "1 file, " in text
        assert "Tokenization: prose with small" in text
    assert not Dataset.objects.exclude(delete_requested_at=None).exists()


def test_a_deleted_dataset_leaves_neither_rows_nor_files(admin_client, admin_user, tokenized):
    dataset = tokenized.dataset
    homes = storage.dataset_dir(dataset.pk), tokenized.path
    assert all(home.exists() for home in homes)

    messages = delete(admin_client, dataset)
    event = dataset.events.first()
    keeper.delete_datasets()

    assert messages[0].startswith("“prose”: Deleted.")
    assert (event.kind, event.actor) == ("deleted", admin_user)
    assert not any(home.exists() for home in homes)
    assert not Dataset.objects.exists()
    assert not Tokenization.objects.exists()


def test_the_delete_button_of_a_page_is_the_same(admin_client, tokenized):
    home = tokenized.path
    page = admin_client.post(address(Tokenization, "delete", tokenized.pk), {"post": "yes"}, follow=True)
    keeper.finish_deletions(Tokenization)

    assert said(page) == ["“prose with small”: Deleted. The keeper removes its files as soon as no worker is at them."]
    assert not home.exists()
    assert Dataset.objects.filter(pk=tokenized.dataset_id).exists()
