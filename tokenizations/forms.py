from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.forms.boundfield import BoundField

from datasets_app.errors import JobError
from datasets_app.forms import NAME_IT, FilesField, TokenFreeForm
from datasets_app.models import NAME_LENGTH, Dataset
from datasets_app.templatetags.figures import number
from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.tokenizer_config import COMPANIONS
from tokenizations.models import Tokenizer, fitted
from tokenizations.option_help import GROUPS, OPTIONS, Group, Option

PAIR = {"vocab.json", "merges.txt"}
LARGEST_TOKENIZER_BYTES = 200_000_000
DEFAULT_LENGTH = 2048
FILTERS = {
    FilterMode.NONE: "Nothing is junk. Empty rows go all the same.",
    FilterMode.MINIMAL: "Control characters.",
    FilterMode.CONSERVATIVE: "Also only white space.",
    FilterMode.STANDARD: "Also no letter or digit, in any script.",
    FilterMode.AGGRESSIVE: "Also two characters or fewer, half of them signs.",
    FilterMode.STRICT: "Also anything with a punctuation mark.",
}
# What most people look at; the others are folded away as long as nobody chose them.
COMMON = {
    *("text_column", "splits", "max_length", "truncation", "stride", "special_tokens", "prepend_bos", "append_eos"),
    *("filter_mode", "filter_threshold"),
}
LONG_TEXTS = {"template": 3, "chat_template": 4, "keep_tokens": 3}
# What the text of a row depends on, and so what a preview has to know.
OF_TEXT = ("text_column", "template", "chat", "chat_template")
PREVIEWED = (*OF_TEXT, *(option.name for group in GROUPS for option in group.options if group.title == "Cleaning"))
QUIET = {"autocomplete": "off", "spellcheck": "false"}


class TokenizerChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, tokenizer: Any) -> str:
        return f"{tokenizer.name}: {tokenizer.kind}, {number(tokenizer.vocabulary_size)} ids"


class TextField(forms.CharField):
    """Keeps white space as it was typed; browsers send every newline as two characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        return str(super().to_python(value)).replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.to_python(initial), data)


class LinesField(TextField):
    """A list, one to a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        return [line for line in super().clean(self.prepare_value(value)).split("\n") if line]


class CountField(forms.IntegerField):
    """With or without thousands separators; which numbers make sense is the rules' to say."""

    def to_python(self, value: Any) -> int | None:
        return super().to_python(value.replace(",", "") if isinstance(value, str) else value)


LINES: dict[Any, tuple[type[forms.Field], str]] = {
    int: (CountField, "numeric"),
    float: (forms.FloatField, "decimal"),
    str: (TextField, "text"),
}


def option_field(option: Option) -> forms.Field:
    shared: dict[str, Any] = {"label": option.label, "help_text": option.text, "required": False}
    rows = LONG_TEXTS.get(option.name)
    if option.name == "filter_mode":
        return forms.ChoiceField(choices=list(option.choices.items()), widget=forms.RadioSelect, **shared)
    if issubclass(option.kind, StrEnum):
        return forms.ChoiceField(choices=list(option.choices.items()), **shared)
    if option.kind is bool:
        return forms.BooleanField(**shared)
    if rows:
        area = forms.Textarea(attrs={"rows": rows, "placeholder": option.empty, **QUIET})
        return (LinesField if option.is_list else TextField)(widget=area, **shared)
    field, inputmode = LINES[option.kind]
    line = forms.TextInput(attrs={"inputmode": inputmode, "placeholder": option.empty or option.default_words, **QUIET})
    return field(widget=line, **shared)


@dataclass(frozen=True)
class Step:
    """A group of options as the page shows it; `rest` is folded away unless somebody chose something in it."""

    group: Group
    common: list[BoundField]
    rest: list[BoundField]
    is_open: bool


class ComposerForm(forms.Form):
    """A new tokenization of one dataset; what it means together is the spec's to judge."""

    tokenizer = TokenizerChoice(
        queryset=Tokenizer.objects.none(),
        empty_label=None,
        label="Tokenizer",
        error_messages={"required": "Choose a tokenizer.", "invalid_choice": "This tokenizer is gone. Choose another."},
    )
    text_column = forms.ChoiceField(required=False)
    splits = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose at least one split."}
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        self.fields["tokenizer"].queryset = Tokenizer.objects.visible()  # type: ignore[attr-defined]
        for name, option in OPTIONS.items():
            if name not in self.fields:
                self.fields[name] = option_field(option)
            self.fields[name].label, self.fields[name].help_text = option.label, option.text
        chats = [(name, f"{name} (chats)") for name in dataset.chat_columns]
        self.fields["text_column"].choices = [(name, name) for name in dataset.text_columns] + chats  # type: ignore[attr-defined]
        self.fields["splits"].choices = [(name, name) for name in dataset.split_names]  # type: ignore[attr-defined]

    @staticmethod
    def initial_for(dataset: Dataset) -> dict[str, Any]:
        """What fits the dataset: of one that has only chats, the chats."""
        is_chat = bool(dataset.chat_columns) and not dataset.text_column
        proposed = Spec(
            text_column=dataset.chat_columns[0] if is_chat else dataset.text_column,
            splits=tuple(dataset.split_names),
            max_length=DEFAULT_LENGTH,
            chat=is_chat,
            special_tokens=not is_chat,
        )
        return proposed.to_dict()

    @property
    def steps(self) -> list[Step]:
        common = COMMON | ({"chat"} if self.dataset.chat_columns else set())
        return [self._step(group, common) for group in GROUPS]

    def _step(self, group: Group, common: set[str]) -> Step:
        fields = [self[option.name] for option in group.options]
        rest = [field for field in fields if field.name not in common]
        is_open = any(field.errors or self._is_chosen(field) for field in rest)
        return Step(group, [field for field in fields if field.name in common], rest, is_open)

    def _is_chosen(self, field: BoundField) -> bool:
        """Whether it is not what it would be if nobody had touched it."""
        option = OPTIONS[field.name]
        try:
            value = field.field.clean(field.value())
        except ValidationError:
            return True
        default = option.default
        return bool(value) if default in (None, (), "") else value not in (None, "", default)

    @property
    def faulty(self) -> list[BoundField]:
        """The fields to look at again; they may be far down the page."""
        return [self[name] for name in self.errors if name in self.fields]

    @property
    def proposes_chat(self) -> bool:
        return not self.is_bound and bool(self["chat"].value())

    @property
    def changes_text(self) -> bool:
        """Whether the text of a row is more than its column."""
        return any(self._is_chosen(self[name]) for name in PREVIEWED if name != "text_column")

    @property
    def filters(self) -> list[tuple[str, str, str, bool]]:
        chosen = self["filter_mode"].value()
        return [(mode.value, mode.value.capitalize(), said, mode.value == chosen) for mode, said in FILTERS.items()]

    @property
    def split_rows(self) -> list[tuple[str, int, bool]]:
        chosen = self["splits"].value() or []
        return [(split["name"], split["rows"], split["name"] in chosen) for split in self.dataset.splits]

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                fitted(self.spec, self.dataset, self.cleaned_data["tokenizer"])
            except JobError as error:
                self.refuse(error)
        return self.cleaned_data

    def refuse(self, error: JobError) -> None:
        """At the option to change, where one is known."""
        option = error.option if isinstance(error, OptionError) else None
        self.add_error(option if option in self.fields else None, f"{error} {error.advice}")

    @property
    def spec(self) -> Spec:
        return Spec.from_dict(self._chosen(OPTIONS))

    @property
    def preview_spec(self) -> Spec:
        """Of the text alone, so that a fault elsewhere does not hide it. Raises JobError for what cannot be."""
        if wrong := next((self.errors[name][0] for name in ("tokenizer", *PREVIEWED) if name in self.errors), None):
            raise JobError(str(wrong), "")
        chosen = {**self._chosen(PREVIEWED), "splits": self.dataset.split_names, "special_tokens": False}
        return fitted(Spec.from_dict(chosen), self.dataset, self.cleaned_data["tokenizer"])

    def _chosen(self, names: Iterable[str]) -> dict[str, Any]:
        """Without what was left empty."""
        values = {name: self.cleaned_data.get(name) for name in names}
        return {name: value for name, value in values.items() if value is not None and value != ""} | {
            "text_column": values["text_column"] or ""
        }


class TokenizerForm(TokenFreeForm):
    name = forms.CharField(max_length=NAME_LENGTH, label="Name", error_messages={"required": NAME_IT})
    files = FilesField(  # type: ignore[assignment]
        label="Files", error_messages={"required": "Choose its files."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["files"].widget.attrs |= {"class": "spoken", "accept": ".json,.txt,.jinja"}

    def clean_files(self) -> "list[UploadedFile[Any]]":
        """One tokenizer.json, under whatever name, or vocab.json and merges.txt; any of COMPANIONS with it."""
        files: list[UploadedFile[Any]] = self.cleaned_data["files"]
        sent = [(file.name or "").lower() for file in files]
        names = [name for name in sent if name not in COMPANIONS]
        single = len(names) == 1 and names[0].endswith(".json") and names[0] not in PAIR
        if (not single and sorted(names) != sorted(PAIR)) or len(set(sent)) < len(sent):
            raise forms.ValidationError("Choose one tokenizer.json, or vocab.json and merges.txt together.")
        if sum(file.size or 0 for file in files) > LARGEST_TOKENIZER_BYTES:
            raise forms.ValidationError("That is over 200 MB. Choose the tokenizer’s own files.")
        return files

    @property
    def source(self) -> str:
        return ", ".join(sorted(file.name or "" for file in self.cleaned_data["files"]))
