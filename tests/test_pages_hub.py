"""The pages that look a dataset of the Hub up and bring it in, with the look-up done by the real worker code."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from datasets_app import looking_up, storage
from datasets_app.downloading import DownloadWork
from datasets_app.downloads import Download
from datasets_app.hub_tokens import HubToken
from datasets_app.importing import ImportWork
from datasets_app.jobs import Status
from datasets_app.lookups import LookUp
from datasets_app.models import Dataset, Import
from datasets_app.templatetags.figures import size
from tests import factories, real
from tests.hub.examples import TOKEN_READER, TOKEN_STRANGER, add_examples, card, csv_bytes
from tests.hub.faults import Slow
from tests.hub.fixtures import CANARY
from tests.hub.server import Hub

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def here(our_hub: Hub) -> None:
    add_examples(our_hub)


def asked(client: Client, repository: str, **more: Any) -> str:
    """The address of the answer, once the workers have got it."""
    response = client.post("/datasets/hub/", {"repository": repository, **more})
    assert response.status_code == 302, response.content.decode()
    looking_up.answer_all()
    return str(response["Location"])


def text_of(client: Client, address: str) -> str:
    page = client.get(address).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_shows_what_there_is_before_anything_is_downloaded(as_owner: Client, hub: Hub) -> None:
    address = asked(as_owner, "lab/stories")

    said = text_of(as_owner, address)

    for fact in (
        "lab/stories",
        "All files of a split are downloaded even so",
        "train",
        "2,000",
        "test",
        "First rows",
        "Download and import",
    ):
        assert fact in said
    assert not [asked for asked in hub.log if asked.path.endswith(".parquet") and asked.range is None]


def test_half_a_character_in_what_the_hub_tells_is_replaced(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/halves", {"README.md": card('pretty: x\nlicense: "\\uD800x"\n'), "tr\ud800ain.csv": csv_bytes(3)})

    said = text_of(as_owner, asked(as_owner, "lab/halves"))

    assert "tr\N{REPLACEMENT CHARACTER}ain.csv" in said
    assert LookUp.objects.get().listing["licence"] == "\N{REPLACEMENT CHARACTER}x"


def test_names_that_turn_the_text_around_are_shown_straight(as_owner: Client, hub: Hub) -> None:
    hub.add(
        "lab/turned",
        {"README.md": card("x: y\n").replace(b"apache", b"\xe2\x80\xaeapache"), "a\u202eb.csv": csv_bytes(3)},
    )
    address = asked(as_owner, "lab/turned")

    page = as_owner.get(address).content.decode()
    dataset = as_owner.post(address, {"name": "mine", "splits": ["train"]})["Location"]

    assert "Of <bdi>ab.csv</bdi>" in page
    assert "<bdi>\u202eapache-2.0</bdi>" in page
    assert Download.objects.get().shards.get().name == "ab.csv"
    assert "\u202e" not in as_owner.get(dataset).content.decode()


def test_a_page_s_address_will_do_too(as_owner: Client) -> None:
    asked(as_owner, "https://huggingface.co/datasets/lab/stories/tree/main")

    assert LookUp.objects.get().repository == "lab/stories"


def test_a_revision_in_an_address_is_not_lost_without_a_word(as_owner: Client) -> None:
    pasted = "https://huggingface.co/datasets/lab/stories/tree/v2"

    address = asked(as_owner, pasted)
    as_owner.get(address)  # as a page that asks for itself alone
    hint = text_of(as_owner, address)
    given = text_of(as_owner, asked(as_owner, pasted, revision="v2"))

    assert "If you mean v2, type it under Revision." in hint
    assert "under Revision" not in given
    assert [question.revision for question in LookUp.objects.order_by("created_at")] == ["main", "v2"]


def test_another_configuration_is_of_the_same_branch(as_owner: Client) -> None:
    page = as_owner.get(asked(as_owner, "lab/languages")).content.decode()

    assert '<input type="hidden" name="revision" value="main">' in page


def test_gated_or_not_is_told(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/open", {"train.csv": csv_bytes(3)})
    assert "<li>not gated</li>" in as_owner.get(asked(as_owner, "lab/open")).content.decode()


@pytest.mark.parametrize(
    "typed", ["", "../etc", "/etc/passwd", "parquet", "C:\\data", "https://huggingface.co/lab/model"]
)
def test_what_names_no_dataset_is_refused_at_once(as_owner: Client, typed: str) -> None:
    response = as_owner.post("/datasets/hub/", {"repository": typed})

    assert response.status_code == 422
    assert 'class="error"' in response.content.decode()
    assert not LookUp.objects.exists()


@pytest.mark.parametrize(
    "typed",
    [
        {"repository": f"lab/{CANARY}"},
        {"repository": CANARY},
        {"revision": CANARY},
    ],
)
def test_a_token_in_the_wrong_field_is_refused_and_forgotten(as_owner: Client, typed: dict[str, str]) -> None:
    response = as_owner.post("/datasets/hub/", {"repository": "lab/stories", **typed})

    assert response.status_code == 422
    assert "This is a token" in response.content.decode()
    assert CANARY not in response.content.decode()
    assert not LookUp.objects.exists()


def test_a_token_is_no_name_of_a_dataset(as_owner: Client) -> None:
    address = asked(as_owner, "lab/stories")

    response = as_owner.post(address, {"name": CANARY, "splits": ["train", "test"]})

    assert response.status_code == 422
    assert "This is a token" in response.content.decode()
    assert CANARY not in response.content.decode()
    assert response.content.decode().count(" checked> t") == 2


def test_while_it_is_asked_the_page_says_so_and_asks_again(as_owner: Client) -> None:
    address = as_owner.post("/datasets/hub/", {"repository": "lab/stories"})["Location"]

    page, fragment = as_owner.get(address), as_owner.get(address, **HTMX)

    assert "Asking the Hub" in page.content.decode()
    assert fragment.content.decode().lstrip().startswith('<section class="panel" id="asking"')
    assert as_owner.get(f"{address}?seen=asking", **HTMX).status_code == 204
    assert as_owner.get(f"{address}?seen=stalled", **HTMX).status_code == 200
    looking_up.answer_all()
    answer = as_owner.get(f"{address}?seen=asking", **HTMX)
    assert (answer["HX-Retarget"], answer["HX-Reselect"], answer["HX-Reswap"]) == ("#main", "#main", "outerHTML")
    assert "Download and import" in answer.content.decode()


SIZES = [
    ({"splits": ["train", "test"]}, "to download for all splits"),
    ({"splits": ["test"]}, "to download for the split test"),
    ({"splits": ["test"], "rows": "7"}, "files come whole"),
    ({"splits": []}, "No split is chosen."),
    ({"splits": ["nowhere"]}, "No split is chosen."),
]


@pytest.mark.parametrize(("chosen", "sentence"), SIZES)
def test_what_there_is_to_download_follows_the_choice(as_owner: Client, chosen: dict[str, Any], sentence: str) -> None:
    address = asked(as_owner, "lab/stories")

    fragment = as_owner.get(f"{address}size/", chosen, **HTMX)

    assert fragment.status_code == 200
    assert sentence in fragment.content.decode()


def test_the_sizes_of_the_splits_add_up(as_owner: Client) -> None:
    address = asked(as_owner, "lab/languages", configuration="german")
    splits = LookUp.objects.get().listing["splits"]

    shown = {name: text_of(as_owner, f"{address}size/?splits={name}") for name in ("train", "test")}

    assert len(splits) == 2
    for split in splits:
        assert f"{size(split['bytes'])} to download for the split {split['name']} of german" in shown[split["name"]]
    both = size(sum(split["bytes"] for split in splits))
    assert f"{both} to download for all splits of german" in text_of(as_owner, address)


def test_a_choice_that_does_not_fit_the_disk_is_warned_of(as_owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address = asked(as_owner, "lab/stories")
    (small,) = (split["bytes"] for split in LookUp.objects.get().listing["splits"] if split["name"] == "test")
    monkeypatch.setattr("datasets_app.storage.free_bytes", lambda: small)

    assert "The disk has only" in text_of(as_owner, address)
    assert "The disk has only" in text_of(as_owner, f"{address}size/?splits=train")
    assert "The disk has only" not in text_of(as_owner, f"{address}size/?splits=test")


def test_a_refused_choice_is_shown_with_its_own_size(as_owner: Client) -> None:
    address = asked(as_owner, "lab/stories")

    response = as_owner.post(address, {"name": "", "splits": ["test"]})

    assert "to download for the split test" in response.content.decode()


def test_nobody_else_is_told_the_size(as_owner: Client, as_colleague: Client) -> None:
    address = asked(as_owner, "lab/stories")

    assert as_colleague.get(f"{address}size/").status_code == 404
    assert as_owner.post(f"{address}size/").status_code == 405


def test_before_the_hub_has_answered_there_is_no_size(as_owner: Client) -> None:
    address = as_owner.post("/datasets/hub/", {"repository": "lab/stories"})["Location"]

    assert as_owner.get(f"{address}size/").status_code == 404


def test_first_rows_that_end_the_child_are_left_out(
    as_owner: Client, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("lab/tough", {"train.csv": csv_bytes(3)})
    asked(as_owner, "lab/stories")  # the child is there
    monkeypatch.setattr(looking_up.child(), "silence_seconds", 2.0)
    hub.fault("/train.csv", Slow(0.5, 1))

    said = text_of(as_owner, asked(as_owner, "lab/tough"))

    assert "The first rows are not shown: reading them finished nothing in 2 s." in said
    assert "Download and import" in said


def test_a_file_that_is_no_parquet_is_told_in_the_place_of_its_first_rows(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/lies", {"train.parquet": b"not Parquet at all" * 1000})

    assert "train.parquet is damaged or no Parquet file." in text_of(as_owner, asked(as_owner, "lab/lies"))


def test_choosing_begins_a_download(as_owner: Client, owner: User) -> None:
    address = asked(as_owner, "lab/stories")

    response = as_owner.post(address, {"name": "mine", "splits": ["test"], "text_column": "text", "rows": "7"})

    dataset, job = Dataset.objects.get(), Download.objects.get()
    assert response["Location"] == dataset.get_absolute_url()
    assert (dataset.name, dataset.created_by, dataset.text_column) == ("mine", owner, "text")
    assert [(shard.split, shard.name) for shard in job.shards.all()] == [("test", "data/test-00000-of-00001.parquet")]
    assert job.import_options == {"rows": 7, "text": "lines"}
    said = text_of(as_owner, dataset.get_absolute_url())
    assert "Download" in said
    assert f"lab/stories {job.commit[:7]}" in said


def test_another_configuration_is_another_question(as_owner: Client) -> None:
    first = text_of(as_owner, asked(as_owner, "lab/languages"))
    second = text_of(as_owner, asked(as_owner, "lab/languages", configuration="german"))

    assert "en/" in first
    assert "de/" in second


def test_who_chose_a_configuration_without_tables_may_choose_another(as_owner: Client, hub: Hub) -> None:
    head = "configs:\n- config_name: pics\n  data_files: '*.png'\n- config_name: words\n  data_files: '*.csv'\n"
    hub.add("lab/two", {"README.md": card(head), "a.png": b"x", "a.csv": csv_bytes(3)})
    first = text_of(as_owner, asked(as_owner, "lab/two"))

    page = as_owner.get(asked(as_owner, "lab/two", configuration="pics")).content.decode()

    assert "Of the configuration words" in first
    assert "The configuration pics of lab/two holds no rows" in page
    assert '<option value="pics" selected>pics</option>' in page
    assert '<option value="words">words</option>' in page


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"splits": []}, "Choose at least one split."),
        ({"name": ""}, "Give it a name."),
        ({"rows": "0"}, "greater than or equal to 1"),
        ({"rows": "9" * 40}, "less than or equal to 1000000000000"),
        ({"splits": ["nowhere"]}, "nowhere"),
    ],
)
def test_a_wrong_choice_is_told_and_nothing_begins(as_owner: Client, wrong: dict[str, Any], sentence: str) -> None:
    address = asked(as_owner, "lab/stories")

    response = as_owner.post(address, {"name": "mine", "splits": ["test"], **wrong})

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Dataset.objects.exists()


def test_only_what_is_wrong_with_the_name_is_told_at_the_name(
    as_owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.queued_dataset("taken")
    address = asked(as_owner, "lab/stories")

    at_name = as_owner.post(address, {"name": "taken", "splits": ["test"]}).context["form"].errors
    monkeypatch.setattr(storage, "free_bytes", lambda: 0)
    at_head = as_owner.post(address, {"name": "mine", "splits": ["test"]}).context["form"].errors

    assert at_name == {"name": ["There is already a dataset named taken. Choose another name."]}
    assert list(at_head) == ["__all__"]


def test_the_same_request_leads_to_what_is_there(as_owner: Client, as_colleague: Client) -> None:
    sent = {"name": "mine", "splits": ["test"]}
    first = as_owner.post(asked(as_owner, "lab/stories"), sent)["Location"]

    second = as_colleague.post(asked(as_colleague, "lab/stories"), {**sent, "name": "theirs"})

    assert second["Location"] == first
    assert "This is here already" in text_of(as_colleague, first)


def test_a_colleague_sets_going_what_somebody_has_cancelled(as_owner: Client, as_colleague: Client) -> None:
    sent = {"name": "mine", "splits": ["test"]}
    address = as_owner.post(asked(as_owner, "lab/stories"), sent)["Location"]
    Download.objects.get().cancel(None)

    response = as_colleague.post(asked(as_colleague, "lab/stories"), {**sent, "name": "theirs"})

    assert response["Location"] == address
    assert "mine was begun before and had stopped: it goes on as you chose" in text_of(as_colleague, address)
    assert "Cancel" in text_of(as_colleague, address)
    assert Download.objects.get().status == Status.QUEUED


RAGGED = b"text,id\n" + b"a story,1\n" * 50 + b"one,field,too many\n"


def ragged(client: Client, hub: Hub) -> Import:
    """An import that a row of its file makes fail."""
    hub.add("lab/ragged", {"train.csv": RAGGED})
    client.post(asked(client, "lab/ragged"), {"name": "mine", "splits": ["train"]})
    real.work_off(DownloadWork())
    real.work_off(ImportWork())
    return Import.objects.get(status=Status.FAILED)


def test_how_the_files_are_read_is_chosen_before_the_download(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/ragged", {"train.csv": RAGGED.replace(b",", b";").replace(b"a story", "über".encode("latin-1"))})
    address = asked(as_owner, "lab/ragged")
    shown = text_of(as_owner, address)

    how = {"bad_rows": "1", "delimiter": "semicolon", "encoding": "latin-1", "header": "yes"}
    as_owner.post(address, {"name": "mine", "splits": ["train"], **how})
    real.work_off(DownloadWork())
    real.work_off(ImportWork())

    dataset = Dataset.objects.get()
    assert "How to read the files" in shown
    assert "JSON layout" not in shown
    assert (dataset.is_ready, dataset.rows, dataset.rows_set_aside) == (True, 50, 1)


def test_a_failed_import_from_the_hub_is_tried_again_with_changes(as_owner: Client, hub: Hub) -> None:
    failed = ragged(as_owner, hub)
    address = f"/jobs/{failed.pk}/change/"
    fetched = len(hub.asked_for("train.csv"))
    card, form = (as_owner.get(page).content.decode() for page in ("/", f"{address}?bad_rows=1"))

    response = as_owner.post(address, {"text_column": "text", "bad_rows": "1"})
    real.work_off(ImportWork())

    dataset = Dataset.objects.get()
    assert f'href="{address}">Retry with changes</a>' in card
    assert "a story" in form
    assert 'name="name"' not in form
    assert response["Location"] == dataset.get_absolute_url()
    assert (dataset.import_job.pk, dataset.is_ready, dataset.rows) == (failed.pk, True, 50)
    assert len(hub.asked_for("train.csv")) == fetched


def test_the_first_rows_are_drawn_again_as_they_would_be_read(as_owner: Client, hub: Hub) -> None:
    failed = ragged(as_owner, hub)
    address = f"/jobs/{failed.pk}/change/"

    before, after = (as_owner.get(address, {"bad_rows": most}, **HTMX).content.decode() for most in ("0", "1"))

    assert "Line 52 of train.csv has 3 values" in before
    assert 'data-kind="primary">Import</button>' not in before
    assert "1 bad row is set aside" in after
    assert 'data-kind="primary">Import</button>' in after
    assert f'href="{failed.get_absolute_url()}">Back</a>' in after
    assert "Choose other files" not in after


def test_who_may_not_control_it_may_not_change_it(as_owner: Client, as_colleague: Client, hub: Hub) -> None:
    failed = ragged(as_owner, hub)

    assert as_colleague.get(f"/jobs/{failed.pk}/change/").status_code == 403


def test_asking_again_with_other_choices_is_a_retry_with_changes(as_owner: Client, hub: Hub) -> None:
    failed = ragged(as_owner, hub)

    again = {"name": "other", "splits": ["train"], "bad_rows": "1"}
    as_owner.post(asked(as_owner, "lab/ragged"), again)
    real.work_off(ImportWork())

    assert (Import.objects.get().pk, Dataset.objects.get().rows) == (failed.pk, 50)


def test_files_that_would_be_read_in_another_way_are_read_again(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/two", {"train-0.csv": b"text;id\na;1\n", "train-1.csv": b"text|id\nb|2\n"})
    as_owner.post(asked(as_owner, "lab/two"), {"name": "mine", "splits": ["train"], "delimiter": "semicolon"})
    real.work_off(DownloadWork())
    real.work_off(ImportWork())
    failed = Import.objects.get(status=Status.FAILED)

    as_owner.post(f"/jobs/{failed.pk}/change/", {"delimiter": "comma", "header": "no"})
    failed.refresh_from_db()
    waiting = failed.shards.filter(state="waiting", processed=0, files=[]).count()
    real.work_off(ImportWork())

    dataset = Dataset.objects.get()
    assert (failed.status, failed.bytes_mark, waiting) == (Status.QUEUED, 0, 2)
    assert (len(dataset.columns), dataset.rows) == (1, 4)


def test_an_empty_file_among_others_is_left_out(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/some", {"train-0.csv": b"text\na story\n", "train-1.csv": b"", "test.csv": b""})

    address = asked(as_owner, "lab/some")
    refused = as_owner.post(address, {"name": "mine", "splits": ["train", "test"]})
    as_owner.post(address, {"name": "mine", "splits": ["train"]})

    assert "Every file of the split test is empty." in refused.content.decode()
    assert [shard.name for shard in Download.objects.get().shards.all()] == ["train-0.csv"]


def stored(user: User, value: str) -> str:
    return str(HubToken.store(user, "mine", value).pk)


@pytest.mark.parametrize(
    ("repository", "token", "sentence"),
    [
        ("lab/nothing", None, "is not on the Hub, or it is private"),
        ("lab/private", None, "is not on the Hub, or it is private"),
        ("lab/gated", None, "is gated"),
        ("lab/gated", TOKEN_STRANGER, "has not accepted the licence"),
        ("lab/gated", "hf_" + "x" * 34, "does not accept the token"),
        ("lab/script", None, "Parquet, CSV"),
    ],
)
def test_each_refusal_has_its_own_answer(
    as_owner: Client, owner: User, repository: str, token: str | None, sentence: str
) -> None:
    more = {"token": stored(owner, token)} if token else {}

    said = text_of(as_owner, asked(as_owner, repository, **more))

    assert sentence in said
    assert "Look it up again" in said
    assert token is None or token not in said


def test_a_hub_that_is_out_of_reach_is_told_with_the_way_out(
    as_owner: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    looking_up.close()

    said = text_of(as_owner, asked(as_owner, "lab/stories"))

    assert "cannot be reached from this server" in said
    assert "HF_ENDPOINT" in said
    assert "Upload files" in said


def test_a_token_opens_what_is_gated(as_owner: Client, owner: User) -> None:
    address = asked(as_owner, "lab/gated", token=stored(owner, TOKEN_READER))

    said = text_of(as_owner, address)

    assert "gated" in said
    assert "Download and import" in said
    as_owner.post(address, {"name": "mine", "splits": ["train"]})
    assert Download.objects.get().token_id == HubToken.objects.get().pk


@pytest.mark.parametrize("is_answered", [True, False])
def test_without_the_token_that_it_was_asked_with_nothing_is_asked_or_begun(
    as_owner: Client, owner: User, hub: Hub, is_answered: bool
) -> None:
    sent = {"repository": "lab/gated", "token": stored(owner, TOKEN_READER)}
    address = as_owner.post("/datasets/hub/", sent)["Location"]
    if is_answered:
        looking_up.answer_all()
    asked_before = len(hub.log)

    HubToken.objects.all().delete()
    looking_up.answer_all()
    response = as_owner.post(address, {"name": "mine", "splits": ["train"]})

    said = response.content.decode()
    assert "The token that this was asked with is deleted." in said
    assert "Look it up again" in said
    assert len(hub.log) == asked_before
    assert not Dataset.objects.exists()


def test_nobody_else_sees_an_answer_or_uses_a_token(as_owner: Client, owner: User, as_colleague: Client) -> None:
    address = asked(as_owner, "lab/stories")

    assert as_colleague.get(address).status_code == 404
    response = as_colleague.post("/datasets/hub/", {"repository": "lab/gated", "token": stored(owner, TOKEN_READER)})
    assert response.status_code == 422
    assert "This token is not there any more." in response.content.decode()


def test_a_stranger_is_sent_to_sign_in(as_stranger: Client) -> None:
    assert as_stranger.get("/datasets/hub/").status_code == 302


def test_without_a_worker_the_page_says_what_to_start(as_owner: Client) -> None:
    address = as_owner.post("/datasets/hub/", {"repository": "lab/stories"})["Location"]
    LookUp.objects.update(created_at="2020-01-01T00:00:00Z")

    assert "No worker is running" in text_of(as_owner, address)


@pytest.fixture
def only_downloading(as_owner: Client) -> Dataset:
    """A dataset of which there is nothing yet but its download."""
    as_owner.post(asked(as_owner, "lab/stories"), {"name": "mine", "splits": ["test"]})
    return Dataset.objects.get()


def test_every_page_of_a_dataset_knows_that_it_is_only_downloading(as_owner: Client, only_downloading: Dataset) -> None:
    for page in ("", "card/", "events/", "progress.json", "delete/"):
        response = as_owner.get(f"{only_downloading.get_absolute_url()}{page}", **HTMX)

        assert response.status_code == 200, page
        assert "ownload" in response.content.decode(), page
    assert as_owner.get(f"{only_downloading.get_absolute_url()}tokenize/").status_code in (302, 404, 409)


def test_the_administration_shows_what_is_only_downloading(admin_client: Client, only_downloading: Dataset) -> None:
    for model in ("dataset", "download", "downloadshard", "lookup", "event"):
        listed = admin_client.get(f"/admin/datasets_app/{model}/")
        found = re.findall(rf'href="(/admin/datasets_app/{model}/[^"/]+/change/)', listed.content.decode())

        assert found, model
        assert [admin_client.get(address).status_code for address in found] == [200] * len(found)
    assert "of 3.5 kB" in text_of(admin_client, "/admin/datasets_app/downloadshard/")
    dataset = f"/admin/datasets_app/dataset/{only_downloading.pk}/"
    assert "Download" in text_of(admin_client, f"{dataset}change/")
    assert admin_client.get(f"{dataset}delete/").status_code == 200


def test_who_deletes_it_is_told_what_goes(as_owner: Client, only_downloading: Dataset) -> None:
    address = f"{only_downloading.get_absolute_url()}delete/"

    assert "what is downloaded so far" in text_of(as_owner, address)
    assert as_owner.post(address).status_code == 302
    assert not Dataset.objects.visible().exists()
    assert not Download.objects.visible().exists()
