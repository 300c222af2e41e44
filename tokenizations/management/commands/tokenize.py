import uuid
from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from datasets_app.errors import JobError
from datasets_app.jobs import HOLD, Status, from_now
from datasets_app.management import early
from datasets_app.management.running import follow, run_here
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset
from tokenizations.engine.spec import Spec
from tokenizations.management.describe import tokenization_facts
from tokenizations.models import Tokenization, Tokenizer, fitted, tokenize
from tokenizations.option_help import GROUPS, OPTIONS, Option
from tokenizations.tokenizing import TokenizeWork

NUMBERS = {int: "a whole number", float: "a number such as 0.5"}
METAVARS: dict[Any, str] = {int: "N", float: "X", "max_length": "N|none", "text_column": "C", "splits": "a,b"}


class Command(YardCommand):
    help = "Tokenize datasets: DATASET TOKENIZER, or every pair of DATASET... --tokenizer T..."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("datasets", nargs="+", metavar="DATASET", help="name or id; the last may be the tokenizer")
        parser.add_argument("--tokenizer", nargs="+", default=[], metavar="T")
        parser.add_argument("--here", action="store_true", help="do it in this process, with no broker and no server")
        parser.add_argument("--detach", action="store_true", help="hand it to the workers and return at once")
        parser.add_argument("--wait", type=float, default=None, metavar="S", help="give up following after S seconds")
        for group in GROUPS:
            arguments = parser.add_argument_group(group.title)
            for option in group.options:
                add_option(arguments, option)

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
    """One after the other here; with workers all at once, and then followed to their ends.

    Nothing is begun unless the spec fits all of them.
    """
    for dataset, tokenizer in pairs:
        fitted(spec, dataset, tokenizer)
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
    early.remember(tokenizer.name, tokenizer.path)
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


def add_option(arguments: Any, option: Option) -> None:
    """Nothing is set by default: what is not named is the spec's to fill in."""
    settings: dict[str, Any] = {"dest": option.name, "default": None, "help": help_of(option)}
    if option.kind is bool:
        settings["action"] = BooleanOptionalAction
    elif option.choices:
        settings |= {"choices": [str(choice) for choice in option.choices], "metavar": "|".join(option.choices)}
    elif option.name == "keep_tokens":
        settings |= {"action": "append", "metavar": "TOKEN"}
    else:
        settings["metavar"] = METAVARS.get(option.name) or METAVARS.get(option.kind, "TEXT")
    arguments.add_argument(option.flag, **settings)


def help_of(option: Option) -> str:
    again = " Can be given again." if option.name == "keep_tokens" else ""
    name = f"{option.label}. " if option.kind is bool else ""
    return f"{name}{option.text}{again} Default: {option.default_words}.".replace("%", "%%")


def spec_of(options: dict[str, Any]) -> Spec:
    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    if given.get("chat"):
        given.setdefault("special_tokens", False)
    chosen = {name: value_of(OPTIONS[name], value) for name, value in given.items()}
    return Spec.from_dict({"text_column": "", "splits": [], **chosen})


def value_of(option: Option, given: Any) -> Any:
    """What the spec takes. Code may call the command too, with values rather than texts."""
    if not isinstance(given, str):
        return given
    if option.name == "splits":
        return [split.strip() for split in given.split(",") if split.strip()]
    if option.kind not in NUMBERS:
        return given
    if given == "none" and option.default is None:
        return None
    try:
        return option.kind(given)
    except ValueError:
        or_none = ", or none" if option.default is None else ""
        raise JobError(
            f"{given} is not a value for {option.flag}.", f"Give it {NUMBERS[option.kind]}{or_none}."
        ) from None
