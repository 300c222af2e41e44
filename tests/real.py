"""Real data that goes through the real importer and engine, here or on the workers."""

import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from tokenizers import Tokenizer as HubTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from datasets_app.creating import create_dataset
from datasets_app.importing import ImportWork
from datasets_app.jobs import Job
from datasets_app.models import Dataset
from datasets_app.slots import Slot, Work
from tokenizations.adding import add_tokenizer
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenization, Tokenizer, tokenize
from tokenizations.tokenizing import TokenizeWork

SHARED = Path(settings.BASE_DIR).parent / "shared"
WORDS = "river stone lamp seven quiet harbour winter glass hundred paper signal north bright copper".split()  # noqa: SIM905


def texts(rows: int, seed: int = 0) -> list[str | None]:
    """Prose of very different lengths, with some rows that are empty, null or junk."""
    chance = random.Random(seed)
    made: list[str | None] = []
    for row in range(rows):
        kind = chance.random()
        if kind < 0.02:
            made.append(None)
        elif kind < 0.05:
            made.append("")
        elif kind < 0.12:
            made.append("".join(chance.choices("-=*#| \n", k=chance.randint(5, 60))))
        else:
            words = chance.choices(WORDS, k=int(chance.paretovariate(1.1) * 8) % 4000 + 1)
            made.append(f"{row}: " + " ".join(words) + "." * (row % 3))
    return made


def parquet(path: Path, rows: list[str | None], row_group_size: int = 500) -> Path:
    pq.write_table(pa.table({"text": pa.array(rows, pa.string())}), path, row_group_size=row_group_size)
    return path


def byte_bpe(path: Path, vocabulary: int = 600) -> Path:
    tokenizer = HubTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
    )
    tokenizer.train_from_iterator([text or "" for text in texts(400)], trainer)
    path.write_text(tokenizer.to_str())
    return path


def imported(name: str, *files: Path, split: str = "train") -> Dataset:
    described = [
        {"name": f.name, "path": str(f), "split": split, "kind": f.suffix[1:], "bytes": f.stat().st_size} for f in files
    ]
    dataset = create_dataset(name, Dataset.Source.SERVER, described)
    work_off(ImportWork())
    return Dataset.objects.select_related("import_job").get(pk=dataset.pk)


def added(name: str, path: Path) -> Tokenizer:
    return add_tokenizer(name, [path], source=path.name, user=None)


def work_off(work: Work) -> None:
    """What a woken worker thread does, in this thread."""
    slot = Slot(work)
    try:
        slot.drain()
    finally:
        slot.close()


def tokenized(dataset: Dataset, tokenizer: Tokenizer, **options: Any) -> Tokenization:
    job, _ = tokenize(dataset, tokenizer, Spec(text_column="", splits=(), **options), None)
    work_off(TokenizeWork())
    job.refresh_from_db()
    return job


def fresh(job: Job) -> Any:
    return type(job)._default_manager.get(pk=job.pk)


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:6]}"


def wordpiece(path: Path, vocabulary: int = 2000) -> Path:
    """One that only the slower encoder knows, so that a job takes its time."""
    tokenizer = HubTokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, show_progress=False, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    )
    tokenizer.train_from_iterator([text or "" for text in texts(400)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))],
    )
    path.write_text(tokenizer.to_str())
    return path
