import uuid
from argparse import ArgumentParser
from typing import Any

from datasets_app.errors import JobError
from datasets_app.jobs import HOLD, Status, from_now
from datasets_app.management.running import follow, run_here
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset
from tokenizations.engine.spec import FILTER_MODES, FilterMode, Spec
from tokenizations.management.describe import tokenization_facts
from tokenizations.models import Tokenization, Tokenizer, tokenize
from tokenizations.tokenizing import TokenizeWork


class Command(YardCommand):
    help = "Tokenize datasets: DATASET TOKENIZER, or every pair of DATASET... --tokenizer T..."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("datasets", nargs="+", metavar="DATASET", help="name or id; the last may be the tokenizer")
        parser.add_argument("--tokenizer", nargs="+", default=[], metavar="T")
        parser.add_argument("--max-length", default="none", metavar="N|none", help="cut rows to so many tokens")
        parser.add_argument("--filter", default="none", choices=[str(mode) for mode in FILTER_MODES], metavar="MODE")
        parser.add_argument("--threshold", type=float, default=None, metavar="X", help="share of junk that drops a row")
        parser.add_argument("--text-column", default="", help="by default the dataset's own")
        parser.add_argument("--splits", default="", metavar="a,b", help="by default all")
        parser.add_argument("--no-special-tokens", action="store_true")
        parser.add_argument("--no-attention-mask", action="store_true")
        parser.add_argument("--here", action="store_true", help="do it in this process, with no broker and no server")
        parser.add_argument("--detach", action="store_true", help="hand it to the workers and return at once")
        parser.add_argument("--wait", type=float, default=None, metavar="S", help="give up following after S seconds")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        if options["here"] and options["detach"]:
            raise JobError("--here and --detach cannot go together.", "Choose one.")
        datasets, tokenizers, is_batch = chosen(options["datasets"], options["tokenizer"])
        spec = spec_of(options)
        pairs = [(dataset, tokenizer) for dataset in datasets for tokenizer in tokenizers]
        jobs = see_through(pairs, spec, options)
        answers = [tokenization_facts(job) for job in jobs]
        is_success = options["detach"] or all(answer["status"] == Status.READY for answer in answers)
        for answer in answers:
            if answer["failure"]:
                self.stderr.write(answer["failure"])
        return answers if is_batch else answers[0], is_success


def see_through(pairs: list[tuple[Dataset, Tokenizer]], spec: Spec, options: dict[str, Any]) -> list[Tokenization]:
    """One after the other here; with workers all at once, and then followed to their ends."""
    if options["here"]:
        return [do_here(dataset, tokenizer, spec) for dataset, tokenizer in pairs]
    jobs = [tokenize(dataset, tokenizer, spec, None)[0] for dataset, tokenizer in pairs]
    try:
        for job in jobs if not options["detach"] else []:
            follow(job, options["wait"])
    except KeyboardInterrupt:
        for job in jobs:
            job.cancel(None)
        raise
    return jobs


def do_here(dataset: Dataset, tokenizer: Tokenizer, spec: Spec) -> Tokenization:
    token = uuid.uuid4()
    job, is_new = tokenize(dataset, tokenizer, spec, None, hold_token=token, held_until=from_now(HOLD))
    if not is_new:
        held = job.hold()
        if held is None and job.is_unfinished:
            raise JobError(f"{job} is being done by another process.", "Wait for it, or cancel it.")
        token = held or token
    if job.is_unfinished:
        run_here(job, TokenizeWork(), token)
    return job


def chosen(names: list[str], tokenizers: list[str]) -> tuple[list[Dataset], list[Tokenizer], bool]:
    is_batch = bool(tokenizers)
    if not is_batch:
        if len(names) != 2:
            raise JobError("Say which tokenizer.", "Use tokenize DATASET TOKENIZER, or DATASET... --tokenizer T...")
        names, tokenizers = names[:1], names[1:]
    return [Dataset.objects.named(n) for n in names], [Tokenizer.objects.named(t) for t in tokenizers], is_batch


def spec_of(options: dict[str, Any]) -> Spec:
    return Spec(
        text_column=options["text_column"],
        splits=tuple(split.strip() for split in options["splits"].split(",") if split.strip()),
        max_length=length_of(options["max_length"]),
        special_tokens=not options["no_special_tokens"],
        attention_mask=not options["no_attention_mask"],
        filter_mode=FilterMode(options["filter"]),
        **({} if options["threshold"] is None else {"filter_threshold": options["threshold"]}),
    )


def length_of(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdigit():
        raise JobError(f"{text} is not a length.", "Give --max-length a whole number, or none.")
    return int(text)
