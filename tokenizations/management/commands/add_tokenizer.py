from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from datasets_app.management import early
from datasets_app.management.yard import YardCommand
from tokenizations.adding import add_tokenizer


class Command(YardCommand):
    help = (
        "Add a tokenizer from a tokenizer.json, from vocab.json and merges.txt, or from a directory with either. Also "
        "read, for its special tokens and its chat template: tokenizer_config.json, special_tokens_map.json, "
        "chat_template.jinja and chat_template.json."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("paths", type=Path, nargs="+", metavar="path")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        paths: list[Path] = options["paths"]
        source = ", ".join(path.resolve().name for path in paths)
        tokenizer = add_tokenizer(options["name"], paths, source=source, user=None)
        early.remember(tokenizer.name, tokenizer.path)
        return {
            "id": str(tokenizer.pk),
            "name": tokenizer.name,
            "kind": tokenizer.kind,
            "vocabulary_size": tokenizer.vocabulary_size,
            "special_tokens": tokenizer.special_tokens,
            "roles": tokenizer.roles,
            "has_chat_template": bool(tokenizer.chat_template),
            "sha256": tokenizer.sha256,
            "path": str(tokenizer.path),
        }, True
