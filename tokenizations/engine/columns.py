"""Templates such as `{question}\n\n{answer}`, and which columns they name."""

from string import Formatter

from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import Spec

HOW_TO_WRITE = "Write column names in braces, such as {question}, and {{ for a brace."


def columns_of(spec: Spec) -> tuple[str, ...]:
    """The columns that the text of a row is made of. Raises OptionError for a template that is none."""
    return columns_in(spec.template) if spec.template else (spec.text_column,)


def columns_in(template: str) -> tuple[str, ...]:
    """Each column once, in the order of the template. Raises OptionError if it names none, or is not a template."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise OptionError("template", f"The template is broken: {error}.", HOW_TO_WRITE) from None
    if any(conversion or format_spec for _, _, format_spec, conversion in pieces):
        raise OptionError("template", "The template does more than name columns.", HOW_TO_WRITE)
    names = tuple(dict.fromkeys(name for _, name, _, _ in pieces if name is not None))
    if not all(names) or not names:
        raise OptionError("template", "The template names no column.", HOW_TO_WRITE)
    return names
