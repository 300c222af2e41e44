"""What labs write today, to compare with: load, map on every core, save, and one pass for the statistics.

A process of its own; prints its figures as JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_dataset
from transformers import PreTrainedTokenizerFast

PERCENTILES = (50, 90, 95, 99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--column", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=options.tokenizer)
    rows = load_dataset("parquet", data_files=options.texts, split="train")
    tokens = rows.map(
        lambda batch: tokenizer([text or "" for text in batch[options.column]], return_token_type_ids=False),
        batched=True,
        num_proc=options.processes,
        remove_columns=rows.column_names,
    )
    tokens.save_to_disk(options.out)
    specials = tokenizer.num_special_tokens_to_add() * len(tokens)
    print(json.dumps(statistics(tokens) | {"special_tokens": specials}))


def statistics(rows: Dataset) -> dict[str, Any]:
    lengths, counts = [], np.zeros(0, np.int64)
    for batch in rows.with_format("arrow").iter(batch_size=1000):
        ids = batch["input_ids"].combine_chunks()
        lengths.append(ids.value_lengths().to_numpy())
        found = np.bincount(ids.flatten().to_numpy(), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    of_rows = np.concatenate(lengths)
    return {
        "rows": len(of_rows),
        "tokens": int(counts.sum()),
        "mean": float(of_rows.mean()),
        "unique_tokens": int(np.count_nonzero(counts)),
        "percentiles": np.percentile(of_rows, PERCENTILES).tolist(),
    }


if __name__ == "__main__":
    main()
