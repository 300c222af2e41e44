from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.files.uploadedfile import UploadedFile
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from datasets_app import storage
from datasets_app.errors import JobError, refuse_token
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import Delimiter, Encoding, Layout, TextRows
from datasets_app.jobs import UNFINISHED, Job, Status
from datasets_app.models import NAME_LENGTH, Dataset, Event, Preference
from datasets_app.templatetags.figures import size
from datasets_app.uploads import check_name

NAME_IT = "Give it a name."
DETECTED = ("", "As detected")
LAYOUTS = [(each.value, f"{each.words[0].upper()}{each.words[1:]}") for each in Layout]
MOST_BAD_ROWS = 1_000_000
CHOICES_OF_READING = ("delimiter", "header", "encoding", "layout", "bad_rows")
# Which kinds of files a choice is for.
CONCERNED = {
    "text_rows": {Kind.TXT},
    "delimiter": {Kind.CSV, Kind.TSV},
    "header": {Kind.CSV, Kind.TSV},
    "encoding": set(Kind) - {Kind.PARQUET},
    "layout": {Kind.JSON, Kind.JSONL},
}
SPLITS = ("train", "validation", "test")
# As people name the files of a split.
SPLIT_WORDS = {
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}


class TokenFreeForm(forms.Form):
    """Refuses a token in a field for text, and forgets it: what is typed here is stored and shown."""

    def full_clean(self) -> None:
        super().full_clean()
        for name in self.fields:
            try:
                refuse_token(str(self.data.get(self.add_prefix(name), "")))
            except JobError as error:
                self.errors[name] = self.error_class([f"{error} {error.advice}"])
                self.cleaned_data.pop(name, None)
                sent: Any = self.data.copy()  # type: ignore[attr-defined]
                del sent[self.add_prefix(name)]
                self.data = sent


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            "invalid_login": "Nobody has this name and this password. Check both; capital letters count.",
            "inactive": "This account is switched off. Ask an administrator.",
        }
        for name, said in (("username", "Enter your name."), ("password", "Enter your password.")):
            self.fields[name].error_messages["required"] = said


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=Preference.Theme.choices)
    next = forms.CharField(required=False)


class DatasetFilter(forms.Form):
    """The toolbar of the list. A value that it does not know counts as none."""

    q = forms.CharField(required=False)
    status = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any status"),
            *((status.value, status.label) for status in Status if status != Status.READY),
            (Status.READY.value, "Ready"),
        ],
    )
    source = forms.ChoiceField(required=False, choices=[("", "Any source"), *Dataset.Source.choices])
    owner = forms.ChoiceField(required=False, choices=[("", "Anyone"), ("me", "Mine")])
    tokenized = forms.ChoiceField(
        required=False, choices=[("", "Tokenized or not"), ("yes", "Tokenized"), ("no", "Not tokenized")]
    )
    sort = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Latest activity"),
            ("name", "Name"),
            ("-rows", "Rows"),
            ("-bytes", "Size"),
            ("-created_at", "Added"),
        ],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["q"].widget = forms.TextInput(
            attrs={"type": "search", "placeholder": "Search the names", "autocomplete": "off"}
        )
        for name in ("status", "source", "owner", "tokenized", "sort"):
            self.fields[name].widget.attrs["aria-label"] = name.capitalize()

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def query(self) -> str:
        """For the links of the pager."""
        return urlencode(self.chosen())

    def apply(self, datasets: QuerySet[Dataset], reader: int | None) -> QuerySet[Dataset]:
        chosen = self.chosen()
        if "q" in chosen:
            datasets = datasets.filter(name__icontains=chosen["q"])
        if "status" in chosen:
            datasets = datasets.filter(in_status(Status(chosen["status"])))
        if "source" in chosen:
            datasets = datasets.filter(source=chosen["source"])
        if "owner" in chosen:
            datasets = datasets.filter(created_by=reader)
        if "tokenized" in chosen:
            finished = some_job(kind="tokenization", status=Status.READY)
            datasets = datasets.filter(finished if chosen["tokenized"] == "yes" else ~finished)
        return sorted_by(datasets, chosen.get("sort", ""))


def in_status(status: Status) -> Q:
    """Datasets with a job in this status; ready are those with nothing under way, and no failure after a result."""
    if status != Status.READY:
        return some_job(status=status)
    return Q(import_job__status=Status.READY) & ~some_job(status__in=UNFINISHED) & ~failed_last()


def failed_last() -> Q:
    """Datasets whose newest job has failed; cancelled ones do not count."""
    ended = Coalesce("ended_at", "created_at")
    found = Q()
    for model in Dataset.jobs_models():
        jobs = jobs_of(model).filter(delete_requested_at=None).order_by().values("dataset")
        newest = {status: Max(ended, filter=Q(status=status)) for status in (Status.FAILED, Status.READY)}
        failed = jobs.annotate(**newest).filter(Q(ready=None) | Q(failed__gt=F("ready")), failed__isnull=False)
        found |= Q(pk__in=failed.values("dataset"))
    return found


def some_job(kind: str = "", **conditions: Any) -> Q:
    """Read once for all datasets; a correlated EXISTS is looked up for each of them."""
    found = Q()
    for model in Dataset.jobs_models():
        if kind in ("", model.kind):
            jobs = jobs_of(model).filter(delete_requested_at=None, **conditions)
            found |= Q(pk__in=jobs.order_by().values("dataset"))
    return found


def jobs_of(model: type[Job]) -> QuerySet[Any]:
    """Of either kind, whose common base knows of no dataset."""
    return model._default_manager.all()


def sorted_by(datasets: QuerySet[Dataset], order: str) -> QuerySet[Dataset]:
    if not order:
        latest = Event.objects.filter(dataset=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        return datasets.annotate(latest=Subquery(latest)).order_by(F("latest").desc(nulls_last=True), "pk")
    column = F(order.lstrip("-"))
    return datasets.order_by(column.desc(nulls_last=True) if order.startswith("-") else column.asc(), "pk")


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or many files."""

    widget = FilesInput

    def to_python(self, data: Any) -> Any:
        if data and not data.size:
            raise forms.ValidationError(f"{data.name} is empty. Leave it out, or choose another file.")
        return super().to_python(data)

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, (list, tuple)) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.Form):
    files = FilesField(  # type: ignore[assignment]
        error_messages={"required": "Choose at least one file."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["files"].widget.attrs["class"] = "spoken"

    def clean_files(self) -> "list[UploadedFile[Any]]":
        files: list[UploadedFile[Any]] = self.cleaned_data["files"]
        for file in files:
            try:
                check_name(file.name or "")
            except JobError as error:
                raise forms.ValidationError(f"{error} {error.advice}") from error
            if (file.size or 0) > settings.UPLOAD_LIMIT_BYTES:
                raise forms.ValidationError(
                    f"{file.name} is over {size(settings.UPLOAD_LIMIT_BYTES)}. Split it into parts."
                )
        return files


class ServerFilesForm(forms.Form):
    path = forms.CharField(
        label="Path, folder or pattern",
        max_length=4000,
        error_messages={"required": "Give the path of a file or a folder."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ReadingForm(TokenFreeForm):
    """How the files are to be read; what is left open is detected for each."""

    text_rows = forms.ChoiceField(
        required=False,
        label="Text files",
        choices=[(TextRows.LINES.value, "A row per line"), (TextRows.FILE.value, "A row per file")],
        widget=forms.RadioSelect,
    )
    delimiter = forms.ChoiceField(
        required=False, label="Delimiter", choices=[DETECTED, *((each.value, each.capitalize()) for each in Delimiter)]
    )
    header = forms.ChoiceField(
        required=False,
        label="Header",
        choices=[DETECTED, ("yes", "The first row names the columns"), ("no", "The first row is data")],
    )
    encoding = forms.ChoiceField(
        required=False, label="Encoding", choices=[DETECTED, *((each.value, each.words) for each in Encoding)]
    )
    layout = forms.ChoiceField(required=False, label="JSON layout", choices=[DETECTED, *LAYOUTS])
    bad_rows = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_BAD_ROWS,
        label="Bad rows to set aside, at most",
        error_messages={"invalid": "Enter a whole number; 0 stops at the first bad row."},
    )

    @property
    def options(self) -> dict[str, Any]:
        """As an import keeps them: what is left open, or makes no sense, is not among them."""
        self.is_valid()
        chosen = {name: self.cleaned_data.get(name) for name in CHOICES_OF_READING}
        return {"text": self.cleaned_data.get("text_rows") or TextRows.LINES.value} | {
            name: value for name, value in chosen.items() if value
        }


class RowsForm(ReadingForm):
    """What is a row of these files, and which of its columns is the text."""

    text_column = forms.ChoiceField(required=False, label="Text column")

    def __init__(self, *args: Any, files: list[dict[str, Any]], columns: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        column = self.fields["text_column"]
        assert isinstance(column, forms.ChoiceField)
        column.choices = [*((name, name) for name in columns), ("", "Choose for me")]
        kinds = {file["kind"] for file in files}
        for name, concerned in CONCERNED.items():
            if not kinds & concerned:
                del self.fields[name]

    @property
    def is_read_wrong(self) -> bool:
        """There is an error in how the files are to be read."""
        return any(name in self.errors for name in ("text_rows", *CHOICES_OF_READING))


class ImportForm(RowsForm):
    """What becomes of an upload: the dataset's name, its text column, the split of each file."""

    name = forms.CharField(max_length=NAME_LENGTH, label="Name", error_messages={"required": NAME_IT})

    def __init__(self, *args: Any, files: list[dict[str, Any]], replaced: Dataset | None = None, **kwargs: Any) -> None:
        super().__init__(*args, files=files, **kwargs)
        self.files_sent, self.replaced = files, replaced
        for number, file in enumerate(files):
            self.fields[f"split_{number}"] = forms.CharField(
                label=f"Split of {file['name']}",
                max_length=storage.LONGEST_SPLIT_NAME,
                initial=guessed_split(file["name"]),
                error_messages={"required": "Name the split that the file belongs to, such as train."},
                widget=forms.TextInput(attrs={"list": "splits", "autocomplete": "off", "spellcheck": "false"}),
            )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = Dataset.objects.exclude(pk=self.replaced.pk) if self.replaced else Dataset.objects
        if others.filter(name=name).exists():
            raise forms.ValidationError(f"There is already a dataset named {name}. Choose another name.")
        return name

    def clean(self) -> dict[str, Any]:
        for field, split in list(self.cleaned_data.items()):
            if field.startswith("split_") and not storage.is_split_name(split):
                self.add_error(field, "Use letters, digits and underscores; staging and ledger are taken.")
        return self.cleaned_data

    @property
    def splits(self) -> list[str]:
        return [self.cleaned_data[f"split_{number}"] for number in range(len(self.files_sent))]


def guessed_split(name: str) -> str:
    """From words of the file's name, as in wiki-test.csv or dev/part1.jsonl."""
    words = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), "train")


def proposed_name(files: list[dict[str, Any]]) -> str:
    """The first file's name without what follows its first dot, or a word for its split."""
    stem = PurePath(files[0]["name"]).name.split(".")[0]
    words = stem.replace("_", "-").split("-")
    while len(words) > 1 and words[-1].lower() in (*SPLIT_WORDS, "train"):
        words.pop()
    return stem[: len("-".join(words))][:NAME_LENGTH] or "dataset"
