from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from datasets_app.children import ChildDied
from datasets_app.errors import JobError
from datasets_app.hub_tokens import HubToken
from datasets_app.ingest.hub.addresses import parse_repository, parse_revision
from datasets_app.ingest.hub.remote import MODEL
from datasets_app.looking_up import ask_hub
from datasets_app.lookups import LookUp
from datasets_app.management import early
from datasets_app.management.yard import YardCommand
from tokenizations.adding import add_tokenizer
from tokenizations.from_hub import add_from_hub
from tokenizations.models import Tokenizer


class Command(YardCommand):
    help = (
        "Add a tokenizer from a tokenizer.json, from vocab.json and merges.txt, or from a directory with either. Also "
        "read, for its special tokens and its chat template: tokenizer_config.json, special_tokens_map.json, "
        "chat_template.jinja and chat_template.json."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("paths", type=Path, nargs="*", metavar="path")
        parser.add_argument("--hub", metavar="OWNER/NAME", help="from the Hugging Face Hub rather than from a path")
        parser.add_argument("--revision", default="main", metavar="R", help="on the Hub: a branch, a tag or a commit")
        parser.add_argument("--token-id", metavar="ID", help="on the Hub: of a token as list_tokens shows it")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        if options["paths"] and options["hub"]:
            raise JobError("Both a path and --hub are given.", "Give one of them.")
        if not options["paths"] and not options["hub"]:
            raise JobError("Say where the tokenizer is.", "Give a path, or --hub OWNER/NAME.")
        tokenizer = from_hub(options) if options["hub"] else from_paths(options["name"], options["paths"])
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


def from_paths(name: str, paths: list[Path]) -> Tokenizer:
    source = ", ".join(path.resolve().name for path in paths)
    return add_tokenizer(name, paths, source=source, user=None)


def from_hub(options: dict[str, Any]) -> Tokenizer:
    repository, revision = parse_repository(options["hub"], MODEL).name, parse_revision(options["revision"])
    stored = HubToken.objects.find(options["token_id"], None) if options["token_id"] else None
    secret = stored.reveal() if stored else None
    try:
        listing = ask_hub(LookUp.Of.TOKENIZER, repository, revision, None, secret)["listing"]
        tokenizer = add_from_hub(options["name"], listing, secret, None)
    except ChildDied as death:
        raise JobError(f"Asking the Hub {death}.", "Try again.") from death
    if stored:
        HubToken.objects.release(stored.pk)
    return tokenizer
