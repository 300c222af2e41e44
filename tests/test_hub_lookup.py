import json
import os
import socket
import subprocess
import sys
import time

import pytest

from datasets_app.children import ROOT
from datasets_app.errors import JobError
from datasets_app.ingest.hub import refusals
from datasets_app.ingest.hub.lookup import look_up_dataset
from datasets_app.ingest.hub.remote import HubAccess, RemoteFile
from tests.hub import Html, Redirect, Silent, Slow, Status
from tests.hub.examples import INFO, add_examples, card, csv_bytes, jsonl_bytes, parquet_bytes
from tests.hub.fixtures import CANARY, access_to

NAME = "lab/stories"


def look_up(hub, revision="main", configuration=None, *, token=None, **more):
    return look_up_dataset(NAME, revision, configuration, access=access_to(hub, token, hub.cdn_host), **more)


def files_of(listing):
    return {split.name: [file.path for file in split.files] for split in listing.splits}


def refusal(hub, error=JobError, **more):
    with pytest.raises(error) as refused:
        look_up(hub, **more)
    said = f"{refused.value} {refused.value.advice}"
    assert CANARY not in said
    assert refused.value.advice.endswith(".")
    return refused.value


def test_a_repository_is_shown_before_anything_is_downloaded(hub):
    repository = hub.add(
        NAME, {"README.md": card(), "train.parquet": parquet_bytes(100), "test.parquet": parquet_bytes(10)}
    )

    listing = look_up(hub)

    assert listing.sha == repository.names["main"]
    assert (listing.description, listing.licence) == ("Short stories for trying things out.", "apache-2.0")
    assert (listing.gated, listing.private) == ("", False)
    assert (listing.configurations, listing.default_configuration) == (("default",), "default")
    assert files_of(listing) == {"train": ["train.parquet"], "test": ["test.parquet"]}
    assert [split.rows for split in listing.splits] == [100, 10]
    assert listing.columns == (("id", "int64"), ("text", "string"))
    assert listing.download_bytes == sum(file.bytes for split in listing.splits for file in split.files)
    assert listing.page == f"{hub.endpoint}/datasets/{NAME}"


def test_a_listing_travels_as_json_and_its_files_come_back(hub):
    hub.add(NAME, {"train.parquet": parquet_bytes(1000), "small.csv": b""})

    listing = look_up(hub)
    told = json.loads(json.dumps(listing.to_dict()))

    assert RemoteFile.from_dict(told["splits"][0]["files"][0]) == listing.splits[0].files[0]
    assert listing.splits[0].files[0].sha256
    assert told["download_bytes"] == listing.download_bytes


def test_the_card_tells_rows_and_columns_without_a_look_into_the_files(hub):
    files = {"data/train-00000-of-00001.jsonl": jsonl_bytes(5), "data/test-00000-of-00001.jsonl": jsonl_bytes(5)}
    hub.add(NAME, {"README.md": card(INFO), **files})

    listing = look_up(hub)

    assert [split.rows for split in listing.splits] == [2000, 200]
    assert listing.columns == (("id", "int64"), ("text", "string"))
    assert hub.asked_for(".jsonl") == []


def test_the_file_of_older_repositories_tells_them_too(hub):
    told = {"lab--stories": {"splits": {"train": {"name": "train", "num_examples": 7, "num_bytes": 70}}}}
    hub.add(NAME, {"dataset_infos.json": json.dumps(told).encode(), "train.csv": csv_bytes(7)})

    assert look_up(hub).splits[0].rows == 7


def test_nothing_is_made_up_where_nothing_tells_the_rows(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})

    listing = look_up(hub)

    assert (listing.splits[0].rows, listing.columns) == (None, None)


@pytest.mark.parametrize("odd", ["dataset_info: 3\n", "dataset_info:\n  splits: [1]\n", "dataset_info:\n- x: 1\n"])
def test_odd_facts_of_a_card_are_left_out(hub, odd):
    hub.add(NAME, {"README.md": card(odd), "train.csv": csv_bytes(7)})

    assert look_up(hub).splits[0].rows is None


def test_configurations_come_from_the_card_with_folders_and_patterns(hub):
    add_examples(hub)
    access = HubAccess(hub.endpoint)

    english = look_up_dataset("lab/languages", access=access)
    german = look_up_dataset("lab/languages", "main", "german", access=access)

    assert english.configurations == german.configurations == ("english", "german")
    assert english.configuration == english.default_configuration == "english"
    assert files_of(english) == {"train": ["en/train.csv"], "test": ["en/test.csv"]}
    assert files_of(german) == {"train": ["de/train-1.csv", "de/train-2.csv"], "test": ["de/test.csv"]}


def test_a_configuration_that_is_not_there_is_told_with_those_that_are(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})

    error = refusal(hub, refusals.ConfigurationNotFound, configuration="german")

    assert "default" in error.advice


PICTURES_FIRST = card(
    "configs:\n- config_name: pics\n  data_files: '*.png'\n  default: true\n"
    "- config_name: words\n  data_files: '*.csv'\n"
)


def test_a_configuration_without_tables_does_not_hide_the_others(hub):
    hub.add(NAME, {"README.md": PICTURES_FIRST, "a.png": b"x", "a.csv": csv_bytes(3)})

    listing = look_up(hub)

    assert (listing.default_configuration, listing.configuration) == ("pics", "words")
    assert [file.path for split in listing.splits for file in split.files] == ["a.csv"]


def test_a_configuration_without_tables_that_was_chosen_is_named(hub):
    hub.add(NAME, {"README.md": PICTURES_FIRST, "a.png": b"x", "a.csv": csv_bytes(3)})

    error = refusal(hub, refusals.NotTabular, configuration="pics")

    assert str(error) == f"The configuration pics of {NAME} holds no rows that can be read, but .png files."
    assert error.advice == "Choose from: words."


def test_a_revision_is_a_branch_a_tag_or_a_commit_and_becomes_a_commit(hub):
    repository = hub.add(NAME, {"train.csv": csv_bytes(7)})
    first = repository.names["main"]
    second = repository.commit({"train.csv": csv_bytes(9)}, branch="next", tag="v2")

    shas = {revision: look_up(hub, revision).sha for revision in ("main", first, "next", "v2", second)}

    assert shas == {"main": first, first: first, "next": second, "v2": second, second: second}


def test_a_packed_file_is_named_with_its_kind(hub):
    hub.add(NAME, {"train.jsonl.gz": b"x", "test.jsonl.zst": b"x"})

    files = [split.files[0] for split in look_up(hub).splits]

    assert [(file.kind, file.compression) for file in files] == [("jsonl", "gz"), ("jsonl", "zst")]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["stories.py"], "a dataset script (stories.py), which is never run"),
        (["train.pkl"], "holds pickles or arrays, which are never opened"),
        (["data/1.png", "data/2.png"], "no rows that can be read, but .png files"),
        (["data/1.mp3"], "but .mp3 files"),
        (["data/train-0000.tar"], "but .tar files"),
        (["train.zip"], "but .zip files"),
        (["data/train.arrow"], "but .arrow files"),
        ([".gitattributes"], "holds no data files"),
        ([], "holds no data files"),
        (["train.csv.xz"], "packed in a way that is not read"),
        (["train.parquet.gz"], "packed in a way that is not read"),
    ],
)
def test_what_is_no_table_is_refused_with_what_would_be_needed(hub, files, said):
    hub.add(NAME, {"README.md": card(), **dict.fromkeys(files, b"x")})

    error = refusal(hub, refusals.NotTabular)

    assert said in str(error)
    assert error.advice == "The repository would need its rows as Parquet, CSV or JSON files."


def test_a_script_beside_tables_does_not_matter(hub):
    hub.add(NAME, {"stories.py": b"raise SystemExit", "train.csv": csv_bytes(7)})

    assert files_of(look_up(hub)) == {"train": ["train.csv"]}


@pytest.mark.parametrize(
    "pattern",
    [
        "/etc/hosts",
        "/etc/host*",
        "../other/train.csv",
        "data/../../x.csv",
        "file:///etc/hosts",
        "https://example.org/x.csv",
        "hf://datasets/lab/other/train.csv",
        "zip://x.csv::train.zip",
        "C:/data/x.csv",
        "~/x.csv",
    ],
)
@pytest.mark.parametrize("where", ["data_files", "data_dir"])
def test_a_card_cannot_name_files_of_this_server_or_of_elsewhere(hub, pattern, where):
    head = f"configs:\n- config_name: default\n  {where}: {json.dumps(pattern)}\n"
    hub.add(NAME, {"README.md": card(head), "train.csv": csv_bytes(7)})

    assert "files outside of the repository" in str(refusal(hub))


@pytest.mark.parametrize(
    "readme",
    [
        b"---\nconfigs: [\n---\n",
        b"---\n- a list\n---\n",
        b"---\nconfigs: 3\n---\n",
        b"---\nconfigs:\n- data_files: x\n---\n",
        b"---\nconfigs:\n- config_name: [a]\n  data_files: train.csv\n---\n",
        b"---\nconfigs:\n- config_name: a\n  data_files:\n  - split: a/b\n    path: train.csv\n---\n",
        b"---\nconfigs:\n- config_name: a\n  data_files: nothing.csv\n---\n",
        b"---\nconfigs:\n- config_name: a\n  default: true\n- config_name: b\n  default: true\n---\n",
        b"---\na: &a [x]\nb: *c\n---\n",
    ],
)
def test_a_card_that_is_not_well_formed_is_told(hub, readme):
    hub.add(NAME, {"README.md": readme, "train.csv": csv_bytes(7)})

    assert "README.md" in str(refusal(hub))


@pytest.mark.parametrize("name", [NAME, "lab/nobody"])
@pytest.mark.parametrize("token", [None, CANARY])
def test_what_is_private_or_missing_is_one_answer(hub, name, token):
    hub.add(NAME, {"train.csv": csv_bytes(7)}, private=True)
    hub.add_token(CANARY)

    with pytest.raises(refusals.NotFoundOrPrivate, match=f"The dataset {name} is not on the Hub, or it is private"):
        look_up_dataset(name, access=access_to(hub, token))


def test_a_private_repository_is_open_to_its_token(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)}, private=True)
    hub.add_token(CANARY, NAME)

    assert look_up(hub, token=CANARY).private


def test_a_gated_repository_needs_a_token(hub):
    hub.add(NAME, {"README.md": card(), "train.csv": csv_bytes(7)}, gated="auto")

    error = refusal(hub, refusals.TokenNeeded)

    assert f"{hub.endpoint}/datasets/{NAME}" in error.advice


def test_a_token_without_consent_is_told_where_to_give_it(hub):
    hub.add(NAME, {"README.md": card(), "train.csv": csv_bytes(7)}, gated="manual")
    hub.add_token(CANARY)

    error = refusal(hub, refusals.ConsentMissing, token=CANARY)

    assert error.address == f"{hub.endpoint}/datasets/{NAME}"
    assert error.address in error.advice


def test_a_token_with_consent_opens_a_gated_repository(hub):
    hub.add(NAME, {"README.md": card(), "train.csv": csv_bytes(7)}, gated="manual")
    hub.add_token(CANARY, NAME)

    assert look_up(hub, token=CANARY).gated == "manual"


@pytest.mark.parametrize("facts", [{}, {"gated": "auto"}, {"private": True}])
def test_a_token_that_expired_is_told_whatever_the_repository_is(hub, facts):
    hub.add(NAME, {"train.csv": csv_bytes(7)}, **facts)

    refusal(hub, refusals.TokenInvalid, token=CANARY)


def test_a_revision_that_is_not_there_is_told(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})

    error = refusal(hub, refusals.RevisionNotFound, revision="v9")

    assert str(error) == "The dataset lab/stories has no revision v9."


def test_too_many_requests_tell_how_long_to_wait(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Status(429, {"Retry-After": "42"}))

    error = refusal(hub, refusals.RateLimited)

    assert error.seconds == 42
    assert "42 s" in error.advice


@pytest.mark.parametrize("body", [b'["slow down"]', b'{"error": {"a": 1}, "errors": 7}', b"[" * 100_000, b"\xff"])
@pytest.mark.parametrize(("status", "error"), [(429, refusals.RateLimited), (503, refusals.HubUnreachable)])
def test_the_body_of_an_error_does_not_matter(hub, status, error, body):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Status(status, {"Content-Type": "application/json"}, body), times=20)

    refusal(hub, error)


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'{"id": 1, "sha": {"a": 1}, "siblings": []}',
        b'{"id": "lab/stories", "sha": "a", "siblings": [{"rfilename": 3, "size": 1}]}',
        b'{"id": "lab/stories", "sha": "a", "siblings": [{"rfilename": "a.csv", "size": 1e999}]}',
        b'{"id": "lab/stories", "sha": "a", "siblings": [{"rfilename": "a.csv", "size": -1}]}',
        b'{"id": "lab/stories", "sha": "a", "siblings": 7}',
        b'{"id": "lab/stories", "sha": "a", "siblings": [7]}',
        b'{"id": "lab/stories", "sha": "a", "siblings": {"a": 1}}',
        b"[" * 100_000,
    ],
)
def test_an_answer_of_another_shape_is_told(hub, body):
    hub.fault("/revision/main", Status(200, {"Content-Type": "application/json"}, body))

    refusal(hub, refusals.HubUnreachable)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("9" * 400, "Try again in 720 hours."),
        ("Thu, 01 Jan 1970 00:00:00 +99999999999", "Try again in a few minutes."),
        ("soon", "Try again in a few minutes."),
        ("-5", "Try again in a few minutes."),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "Try again in 0 s."),
    ],
)
def test_an_odd_time_to_wait_is_told_as_well_as_it_goes(hub, said, advice):
    hub.fault("/revision/main", Status(429, {"Retry-After": said}))

    assert refusal(hub, refusals.RateLimited).advice == advice


def test_an_error_of_the_server_that_passes_is_not_even_told(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Status(503), times=2)

    assert files_of(look_up(hub)) == {"train": ["train.csv"]}


def test_an_error_of_the_server_that_stays_is_told(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Status(503), times=20)

    assert "answers with error 503" in str(refusal(hub, refusals.HubUnreachable))


def test_a_hub_that_is_down_is_told_with_what_to_do():
    start = time.monotonic()

    with pytest.raises(refusals.HubUnreachable, match="cannot be reached from this server") as refused:
        look_up_dataset(NAME, access=HubAccess("http://127.0.0.1:9"))

    assert refused.value.advice == "Upload files instead, or have HF_ENDPOINT set to a mirror."
    assert time.monotonic() - start < 5


def test_a_hub_that_takes_requests_and_never_answers_is_told():
    start = time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(refusals.HubUnreachable) as refused:
        look_up_dataset(NAME, access=HubAccess(f"http://127.0.0.1:{deaf.getsockname()[1]}"), seconds=1.0)

    assert str(refused.value).endswith("does not answer.")
    assert time.monotonic() - start < 4


def test_a_hub_that_takes_its_time_is_waited_for(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Silent(6.0))

    assert files_of(look_up(hub)) == {"train": ["train.csv"]}


@pytest.mark.parametrize("path", ["/revision/main", "/README.md"])
def test_a_hub_that_dribbles_does_not_hold_a_look_up_up(hub, path):
    hub.add(NAME, {"README.md": card() * 50, "train.csv": csv_bytes(7)})
    hub.fault(path, Slow(0.1, 10))
    start = time.monotonic()

    assert "answers too slowly" in str(refusal(hub, refusals.HubUnreachable, seconds=1.0))

    assert time.monotonic() - start < 3


def test_a_sign_in_page_in_the_place_of_the_hub_is_told(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Html())

    assert "does not answer as the Hub does" in str(refusal(hub, refusals.HubUnreachable))


def test_a_look_up_is_not_sent_to_other_hosts(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/revision/main", Redirect(f"{hub.cdn.address}/elsewhere"))

    with pytest.raises(refusals.RedirectRefused):
        look_up_dataset(NAME, access=access_to(hub, CANARY))

    assert hub.asked_for("", server="cdn") == []


def test_a_repository_that_was_renamed_is_found(hub):
    hub.add(NAME, {"train.csv": csv_bytes(7)})
    hub.fault("/old/name/revision/main", Redirect(f"/api/datasets/{NAME}/revision/main", 307))

    assert look_up_dataset("old/name", access=HubAccess(hub.endpoint)).download_bytes


def test_footers_are_read_from_where_large_files_are_without_the_token(hub):
    hub.redirects_large_files = True
    hub.add(NAME, {"train.parquet": parquet_bytes(1000)}, private=True)
    hub.add_token(CANARY, NAME)

    assert look_up(hub, token=CANARY).splits[0].rows == 1000

    assert hub.asked_for("", server="cdn")
    assert all(asked.token is None for asked in hub.asked_for("", server="cdn"))


def test_a_footer_that_is_damaged_or_slow_leaves_the_rows_unknown(hub):
    hub.add(NAME, {"train.parquet": parquet_bytes(1000), "test.parquet": b"not Parquet at all" * 1000})

    listing = look_up(hub)
    hub.fault("/train.parquet", Slow(0.1, 10))
    slow = look_up(hub, seconds=1.0)

    for each in (listing, slow):
        assert [(split.name, split.rows) for split in each.splits] == [("train", None), ("test", None)]
        assert each.columns is None


def test_twenty_thousand_files_are_listed_in_time(hub):
    hub.add(NAME, {f"data/{folder}/train-{part}.csv": b"x" for folder in range(100) for part in range(200)})

    assert len(look_up(hub).splits[0].files) == 20_000


REAL = """
import json, sys
from datasets import load_dataset_builder
builder = load_dataset_builder(sys.argv[1], sys.argv[2], revision=sys.argv[3], token=False)
base = builder.base_path + "/"
print(json.dumps({str(split): [file.removeprefix(base) for file in files]
                  for split, files in builder.config.data_files.items()}))
"""


@pytest.mark.parametrize(
    ("name", "configuration"),
    [("lab/stories", "default"), ("lab/languages", "english"), ("lab/languages", "german"), ("lab/packed", "default")],
)
def test_the_splits_are_those_that_the_real_client_finds(hub, tmp_path, name, configuration):
    add_examples(hub)
    listing = look_up_dataset(name, "main", configuration, access=HubAccess(hub.endpoint))
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1"}

    said = subprocess.run(
        [sys.executable, "-c", REAL, name, configuration, "main"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        check=True,
    ).stdout

    assert {split: sorted(files) for split, files in files_of(listing).items()} == {
        split: sorted(files) for split, files in json.loads(said).items()
    }
