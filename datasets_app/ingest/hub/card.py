"""The card of a repository: the head of its README.md, and what is written below."""

import re
from dataclasses import dataclass
from typing import Any

import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from datasets_app.ingest.hub.refusals import HubError
from datasets_app.ingest.hub.remote import Repository

DESCRIPTION_CHARACTERS = 500
# Headings, tables, pictures, quotes, rules, HTML and code say nothing by themselves.
NO_PROSE = re.compile(r"^\s*([#|>!<`]|---|\*\*\*|===|\[!)")
LINKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
MARKS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")


@dataclass(frozen=True)
class Card:
    data: DatasetCardData
    text: str = ""

    @property
    def licence(self) -> str:
        said: Any = self.data.get("license") or ""
        return plain(", ".join(map(str, said)) if isinstance(said, list) else str(said))

    @property
    def description(self) -> str:
        """The first paragraph of prose, as plain text."""
        for paragraph in re.split(r"\n\s*\n", self.text):
            lines = [line.strip() for line in paragraph.splitlines() if not NO_PROSE.match(line)]
            prose = plain(" ".join(lines))
            if prose:
                return prose
        return ""


def read_card(readme: bytes, further_yaml: bytes, repository: Repository) -> Card:
    """From README.md and .huggingface.yaml, either may be empty. Raises HubError if one is malformed."""
    try:
        card = DatasetCard(readme.decode(errors="replace"), ignore_metadata_errors=False)
        further = yaml.safe_load(further_yaml) or {}
        data = DatasetCardData(**{**vars(card.data), **further})
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise HubError(
            f"The head of README.md of {repository.name} is not well-formed YAML.", "Tell the repository’s owner."
        ) from error
    return Card(data, card.text)


def plain(text: str) -> str:
    """Without the marks of Markdown, and not too long."""
    words = " ".join(MARKS.sub("", LINKS.sub(r"\1", text)).split())
    return words if len(words) <= DESCRIPTION_CHARACTERS else f"{words[:DESCRIPTION_CHARACTERS].rstrip()}…"
