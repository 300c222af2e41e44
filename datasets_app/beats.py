"""What every tab hears every few seconds: the versions of what it shows, and what depends on all jobs at once."""

import json
from dataclasses import dataclass, field

from datasets_app.fragments import Read, within
from datasets_app.overview import Overview
from datasets_app.sockets import Socket


@dataclass(frozen=True, slots=True)
class Round:
    """One round of beats. Tabs that show the same to readers without news of their own get the same text."""

    number: int
    overview: Overview
    fragments: Read
    texts: dict[tuple[str, str, int | None], str] = field(default_factory=dict)

    def text(self, socket: Socket) -> str:
        has_news = bool(self.overview.news_for(socket.viewer.pk))
        key = (socket.address, socket.seen, socket.viewer.pk if has_news else None)
        if key not in self.texts:
            self.texts[key] = self._rendered(socket)
        return self.texts[key]

    def _rendered(self, socket: Socket) -> str:
        own = self.overview.notes(socket.datasets), self.overview.news(socket.viewer.pk)
        html = "\n".join((self.overview.common, *own))
        return json.dumps({"beat": self.number, "versions": self._versions(socket), "seen": socket.seen, "html": html})

    def _versions(self, socket: Socket) -> dict[str, int]:
        versions: dict[str, int] = {}
        for element, dataset in socket.shows.items():
            if fragment := self.fragments.get(dataset, {}).get(element):
                versions |= {each.id: each.version for each in within(fragment)}
        return versions
