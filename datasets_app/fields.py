from typing import TYPE_CHECKING, Any

from django.db import models

from datasets_app.masking import masked

if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField


class MaskedTextField(TextField):
    """Text that was made of errors and is shown to people: no token in it reaches the database."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return masked(text) if isinstance(text, str) else text

    def deconstruct(self) -> Any:
        """To the database it is text like any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
