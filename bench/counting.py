"""Measures what the statistics of a million rows add: `python -m bench.counting [--most 1000000]`.

The same rows are encoded, filtered and shaped in this process, on one core; apart from that, what counting them took.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.corpus import given_or_sample, parser
from bench.growth import pieces, read_words, write
from bench.table import show
from tokenizations.engine.batches import Part
from tokenizations.engine.choosing import Candidates, choose_encoder, prepare
from tokenizations.engine.recipe import LoadedTokenizer, Recipe
from tokenizations.engine.selection import Selection
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.statistics import Statistics
from tokenizations.engine.tokenizer_files import read_tokenizer


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--most", type=int, default=1_000_000, help="rows")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, tokenizers = given_or_sample(options, folder)
        write(folder / "part.parquet", pieces(read_words(texts, options.column), options.most))
        row = measure(folder, tokenizers[0], options.most)
    show([row], options.json)


def measure(folder: Path, path: Path, count: int) -> dict[str, Any]:
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_bytes(read_tokenizer(path).json_bytes)
    prepare(tokenizer)
    spec = Spec("text", ("train",), filter_mode=FilterMode.STANDARD)
    choice = choose_encoder(Candidates(tokenizer), spec)
    loaded = LoadedTokenizer(tokenizer, choice.encoder, choice.reference)
    recipe, part, statistics = Recipe(spec, loaded), Part(folder / "part.parquet"), Statistics()
    shaper, selection = recipe.shaper(), Selection(spec, "train", count)
    began, counting = time.process_time(), 0.0
    for batch in part.batches(range(part.row_groups), recipe.source, selection, 0, recipe.encoder.batch_bytes):
        rows = recipe.cook(batch).rows
        documents = shaper.documents(rows, batch.numbers)
        made = list(shaper.add(documents))
        before = time.process_time()
        statistics.add(batch.texts, rows, documents)
        statistics.add_lengths([documents])
        for sequences in made:
            statistics.add_sequences(sequences, is_own_table=False)
        counting += time.process_time() - before
    whole, before = time.process_time() - began, time.process_time()
    statistics.add_vocabulary(loaded.vocabulary, loaded.unknown_id)
    statistics.write(folder / "statistics.parquet")
    Statistics.read(folder / "statistics.parquet").summary(loaded.vocabulary)
    finishing = time.process_time() - before
    return {
        "": path.stem,
        "rows": count,
        "tokens": statistics.totals.tokens_in,
        "all else, CPU s": round(whole - counting, 2),
        "counting, CPU s": round(counting, 2),
        "writing, reading and summing up, CPU s": round(finishing, 2),
    }


if __name__ == "__main__":
    main()
