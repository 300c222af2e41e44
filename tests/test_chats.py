"""Chats from a file to masked tokens, through the real importer, slot, child and engine."""

import json

import datasets
import pytest
from transformers import PreTrainedTokenizerFast

from datasets_app.jobs import Status
from tests import real
from tokenizations.tokenizing import TokenizeWork

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% generation %}{{ message['content'] }}{% endgeneration %}"
    "<|endoftext|>{% endfor %}"
)
TURNS = [("user", "the river is quiet"), ("assistant", "a lamp in the harbour"), ("user", "seven stones")]


def messages(row, who, what):
    return [{who: role, what: f"{words} {row}"} for role, words in TURNS]


@pytest.fixture(params=[("messages", "role", "content"), ("conversations", "from", "value")])
def dataset(request, tmp_path):
    column, who, what = request.param
    rows = [{column: messages(row, who, what), "weight": row} for row in range(20)] + [{column: [], "weight": 0}]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return real.imported("chats", path)


@pytest.fixture
def tokenizer(tmp_path):
    return real.added("small", real.byte_bpe(tmp_path / "tokenizer.json"))


def test_a_dataset_of_chats_has_no_text_column_and_knows_how_much_is_said(dataset):
    assert dataset.import_job.status == Status.READY, dataset.import_job.failure
    assert (dataset.text_column, len(dataset.chat_columns)) == ("", 1)
    said = sum(len(f"{words} {row}") for row in range(20) for _, words in TURNS)
    assert dataset.splits[0]["text_bytes"] == {dataset.main_column: said}


def test_chats_become_the_tokens_and_masks_of_transformers(dataset, tokenizer):
    options = {"special_tokens": False, "assistant_mask": True, "chat_template": TEMPLATE}

    job = real.tokenized(dataset, tokenizer, chat=True, **options)

    assert job.status == Status.READY, job.failure
    reference = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer.path), chat_template=TEMPLATE)
    found = datasets.load_from_disk(str(job.path))["train"]
    assert found.num_rows == 20
    for row, mine in enumerate(found):
        chat = messages(row, "role", "content")
        expected = reference.apply_chat_template(chat, return_assistant_tokens_mask=True, return_dict=True)
        assert mine["input_ids"] == expected["input_ids"]
        assert mine["assistant_mask"] == expected["assistant_masks"]
        assert 0 < sum(mine["assistant_mask"]) < len(mine["assistant_mask"])


def test_a_retry_of_what_failed_for_its_refused_rows_fails_again(dataset, tokenizer):
    template = "{% if 'river' in messages[0]['content'] %}{{ raise_exception('no') }}{% endif %}fine"
    job = real.tokenized(dataset, tokenizer, chat=True, special_tokens=False, chat_template=template)
    assert job.status == Status.FAILED

    job.requeue(None)
    real.work_off(TokenizeWork())

    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "rows could not be encoded" in job.failure
    assert not (job.path / "manifest.json").exists()


def test_its_page_shows_the_chats(dataset, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("ann"))

    page = client.get(dataset.get_absolute_url()).content.decode()

    assert "a lamp in the harbour 0" in page
    assert "<small>chats</small>" in page


def test_without_a_template_the_reason_is_said(dataset, tokenizer):
    with pytest.raises(Exception, match="no chat template of its own"):
        real.tokenized(dataset, tokenizer, chat=True, special_tokens=False)
