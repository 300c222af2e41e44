from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from datasets_app.management.yard import YardCommand
from tokenizations.adding import add_tokenizer


class Command(YardCommand):
    help = "Add a tokenizer from a tokenizer.json, or from a directory with vocab.json and merges.txt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("path", type=Path)

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        path: Path = options["path"]
        tokenizer = add_tokenizer(options["name"], [path], source=path.name, user=None)
        return {
            "id": str(tokenizer.pk),
            "name": tokenizer.name,
            "kind": tokenizer.kind,
            "vocabulary_size": tokenizer.vocabulary_size,
            "special_tokens": tokenizer.special_tokens,
            "sha256": tokenizer.sha256,
            "path": str(tokenizer.path),
        }, True
