"""What is asked of the Hub, and what is to become of its answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms

from datasets_app.downloads import MOST_ROWS
from datasets_app.errors import JobError
from datasets_app.forms import NAME_IT, RowsForm, TokenFreeForm
from datasets_app.hub_tokens import HubToken
from datasets_app.ingest.hub.addresses import parse_repository, parse_revision, revision_in
from datasets_app.ingest.hub.remote import DATASET, MODEL
from datasets_app.lookups import LookUp
from datasets_app.models import NAME_LENGTH, Dataset

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    TokenField = forms.ModelChoiceField[HubToken]
else:
    TokenField = forms.ModelChoiceField

KINDS = {LookUp.Of.DATASET: DATASET, LookUp.Of.TOKENIZER: MODEL}
TYPED = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class LookUpForm(TokenFreeForm):
    """Which repository, at which revision, as whom."""

    repository = forms.CharField(
        max_length=500,
        label="Name or address",
        error_messages={"required": "Type the name, owner/name, or paste the address of its page."},
        widget=forms.TextInput(attrs={**TYPED, "placeholder": "owner/name"}),
    )
    revision = forms.CharField(
        required=False,
        max_length=200,
        label="Revision",
        widget=forms.TextInput(attrs={**TYPED, "placeholder": "main"}),
    )
    configuration = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    token = TokenField(HubToken.objects.none(), required=False, label="Token", empty_label="None")

    def __init__(self, user: "User", of: str, *args: Any, configurations: Sequence[str] = (), **kwargs: Any) -> None:
        """`configurations`, if they are known, are to be chosen from."""
        super().__init__(*args, **kwargs)
        self.of = of
        if configurations:
            choices = [("", "The default one"), *((name, name) for name in configurations)]
            self.fields["configuration"].widget = forms.Select(choices=choices)
        field = self.fields["token"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = HubToken.objects.of(user).untaken()
        field.label_from_instance = lambda obj: f"{obj.name} ({obj.shown})"  # type: ignore[method-assign]
        field.error_messages["invalid_choice"] = "This token is not there any more. Choose another one."

    def clean_repository(self) -> str:
        try:
            return parse_repository(self.cleaned_data["repository"], KINDS[LookUp.Of(self.of)]).name
        except JobError as error:
            raise forms.ValidationError(f"{error} {error.advice}") from error

    @property
    def hint(self) -> str:
        """What an address says and is not taken."""
        named = revision_in(self.data["repository"])
        if named in ("", "main", self.cleaned_data["revision"]):
            return ""
        return f"Of the address only owner/name is taken. If you mean {named}, type it under Revision."

    def clean_revision(self) -> str:
        try:
            return parse_revision(self.cleaned_data["revision"])
        except JobError as error:
            raise forms.ValidationError(f"{error} {error.advice}") from error


class DownloadForm(RowsForm):
    """What of the dataset is to come, and what it will be called."""

    name = forms.CharField(max_length=NAME_LENGTH, label="Name", error_messages={"required": NAME_IT})
    rows = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_ROWS,
        label="Only the first rows of each split",
        help_text="All files of a split are downloaded even so; what is too much is left out of the dataset.",
        error_messages={"invalid": "Enter a whole number, or leave it empty for all."},
        widget=forms.NumberInput(attrs={"placeholder": "all"}),
    )
    splits = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose at least one split."}
    )

    def __init__(self, question: LookUp, columns: list[str], *args: Any, **kwargs: Any) -> None:
        listed = question.listing["splits"]
        super().__init__(*args, files=[file for split in listed for file in split["files"]], columns=columns, **kwargs)
        splits = self.fields["splits"]
        assert isinstance(splits, forms.MultipleChoiceField)
        splits.choices = [(split["name"], split["name"]) for split in listed]


def free_name(repository: str) -> str:
    """The repository's own name, or with a number where that is taken."""
    name = repository.rpartition("/")[2][: NAME_LENGTH - 4]
    taken = set(Dataset.objects.filter(name__startswith=name).values_list("name", flat=True))
    return next(each for each in (name, *(f"{name}-{number}" for number in range(2, 1000))) if each not in taken)
