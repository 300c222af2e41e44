"""fastokens alone, to compare with: one process, each text once. Prints the seconds that encoding took, as JSON."""

import argparse
import json
import time
from pathlib import Path

import pyarrow.parquet as pq

from tokenizations.engine.encoding import FastEncoder
from tokenizations.engine.tokenizer_files import read_file

BATCH_ROWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", type=Path)
    parser.add_argument("tokenizer", type=Path)
    options = parser.parse_args()
    encoder = FastEncoder(read_file(options.tokenizer))
    encoder.encode(["a first text, for what is made at the first one"])
    seconds = 0.0
    for batch in pq.ParquetFile(options.part).iter_batches(BATCH_ROWS):
        texts = [text for text in batch.column(0).to_pylist() if text]
        began = time.process_time()
        encoder.encode(texts)
        seconds += time.process_time() - began
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
