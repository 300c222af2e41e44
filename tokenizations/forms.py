from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from datasets_app.errors import JobError
from datasets_app.forms import FilesField
from datasets_app.models import NAME_LENGTH, Dataset
from datasets_app.templatetags.figures import number
from tokenizations.engine.spec import LONGEST_MAX_LENGTH, SHORTEST_MAX_LENGTH, FilterMode, Spec
from tokenizations.models import Tokenizer, fitted

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


class TokenizerChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, tokenizer: Any) -> str:
        return f"{tokenizer.name}: {tokenizer.kind}, {number(tokenizer.vocabulary_size)} ids"


class ComposerForm(forms.Form):
    """A new tokenization of one dataset; what it means together is the spec's to judge."""

    tokenizer = TokenizerChoice(queryset=Tokenizer.objects.none(), empty_label=None, label="Tokenizer")
    text_column = forms.ChoiceField(label="Text column")
    splits = forms.MultipleChoiceField(
        label="Splits",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one split."},
    )
    max_length = forms.IntegerField(
        label="Up to, in tokens",
        required=False,
        min_value=SHORTEST_MAX_LENGTH,
        max_value=LONGEST_MAX_LENGTH,
        localize=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "placeholder": "whole rows", "autocomplete": "off"}),
    )
    special_tokens = forms.BooleanField(label="Add the tokenizer’s special tokens", required=False)
    attention_mask = forms.BooleanField(label="Write an attention mask", required=False)
    filter_mode = forms.ChoiceField(
        label="Filter", choices=[(mode.value, mode.value.capitalize()) for mode in FILTERS], widget=forms.RadioSelect
    )
    filter_threshold = forms.FloatField(
        label="Threshold",
        min_value=0,
        max_value=1,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        self.fields["tokenizer"].queryset = Tokenizer.objects.visible()  # type: ignore[attr-defined]
        self.fields["text_column"].choices = [(name, name) for name in dataset.text_columns]  # type: ignore[attr-defined]
        self.fields["splits"].choices = [(name, name) for name in dataset.split_names]  # type: ignore[attr-defined]

    @staticmethod
    def initial_for(dataset: Dataset) -> dict[str, Any]:
        return {
            "text_column": dataset.text_column,
            "splits": dataset.split_names,
            "max_length": DEFAULT_LENGTH,
            "special_tokens": True,
            "attention_mask": True,
            "filter_mode": FilterMode.NONE.value,
            "filter_threshold": "0.5",
        }

    @property
    def filters(self) -> list[tuple[str, str, str, bool]]:
        chosen = self["filter_mode"].value()
        return [(mode.value, mode.value.capitalize(), said, mode.value == chosen) for mode, said in FILTERS.items()]

    @property
    def split_rows(self) -> list[tuple[str, int, bool]]:
        chosen = self["splits"].value() or []
        return [(split["name"], split["rows"], split["name"] in chosen) for split in self.dataset.splits]

    def clean_max_length(self) -> int | None:
        return self.cleaned_data["max_length"] or None

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                fitted(self.spec, self.dataset, self.cleaned_data["tokenizer"])
            except JobError as error:
                self.add_error(self._field_of(error), f"{error} {error.advice}")
        return self.cleaned_data

    def _field_of(self, error: JobError) -> str | None:
        words = {"length": "max_length", "threshold": "filter_threshold", "column": "text_column", "split": "splits"}
        return next((field for word, field in words.items() if word in str(error)), None)

    @property
    def spec(self) -> Spec:
        chosen = self.cleaned_data
        return Spec(
            text_column=chosen["text_column"],
            splits=tuple(chosen["splits"]),
            max_length=chosen["max_length"],
            special_tokens=chosen["special_tokens"],
            attention_mask=chosen["attention_mask"],
            filter_mode=FilterMode(chosen["filter_mode"]),
            filter_threshold=chosen["filter_threshold"],
        )


class TokenizerForm(forms.Form):
    name = forms.CharField(max_length=NAME_LENGTH, label="Name")
    files = FilesField(  # type: ignore[assignment]
        label="Files", error_messages={"required": "Choose its files."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["files"].widget.attrs |= {"class": "spoken", "accept": ".json,.txt"}

    def clean_files(self) -> "list[UploadedFile[Any]]":
        """One tokenizer.json, under whatever name, or a pair of vocab.json and merges.txt."""
        files: list[UploadedFile[Any]] = self.cleaned_data["files"]
        names = {(file.name or "").lower() for file in files}
        single = len(files) == 1 and all(name.endswith(".json") for name in names) and not names & PAIR
        if not single and names != PAIR:
            raise forms.ValidationError("Choose one tokenizer.json, or vocab.json and merges.txt together.")
        if sum(file.size or 0 for file in files) > LARGEST_TOKENIZER_BYTES:
            raise forms.ValidationError("That is over 200 MB. Choose the tokenizer’s own files.")
        return files

    @property
    def source(self) -> str:
        return ", ".join(sorted(file.name or "" for file in self.cleaned_data["files"]))
