from typing import TYPE_CHECKING, Any

from django import forms
from django.views.decorators.debug import sensitive_variables

from datasets_app.errors import JobError
from datasets_app.forms import NAME_IT
from datasets_app.hub_tokens import NAME_LENGTH, HubToken, check_name, check_value

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TOKEN_INPUT = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class HubTokenForm(forms.Form):
    """Takes a token in; what was sent is never written into the page again."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        label="Name",
        error_messages={"required": NAME_IT},
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "gated models"}),
    )
    value = forms.CharField(
        label="Token",
        error_messages={"required": "Paste the token."},
        widget=forms.PasswordInput(attrs={**TOKEN_INPUT, "placeholder": "hf_…"}),
    )
    once = forms.BooleanField(required=False, label="For one download: deleted when that has ended")

    def __init__(self, owner: "User", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            check_name(name)
        except JobError as error:
            self._forget_name()  # it may be the token
            raise forms.ValidationError(f"{error} {error.advice}") from error
        if HubToken.objects.of(self.owner).filter(name=name).exists():
            raise forms.ValidationError(f"There is already a token named {name}. Choose another name.")
        return name

    @sensitive_variables("value")
    def clean_value(self) -> str:
        value: str = self.cleaned_data["value"]
        try:
            check_value(value)
        except JobError as error:
            raise forms.ValidationError(f"{error} {error.advice}") from error
        return value

    @sensitive_variables()
    def store(self) -> HubToken | None:
        """None, with the reason on the form, if somebody was faster with the name."""
        sent = self.cleaned_data
        try:
            return HubToken.store(self.owner, sent["name"], sent["value"], kept=not sent["once"])
        except JobError as error:
            self.add_error("name", f"{error} {error.advice}")
            return None

    def _forget_name(self) -> None:
        self.data = {name: self.data[name] for name in self.data if name != self.add_prefix("name")}
