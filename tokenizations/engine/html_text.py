"""Text out of HTML, or out of a text with some HTML in it, without harm to what only looks like it."""

import html
import re
from html.entities import html5

# Written in small letters or in capitals: what is in mixed case, such as List<Object>, is the code of some language.
INLINE = """
a abbr acronym applet area audio b base basefont bdi bdo big blink button canvas cite code col colgroup data datalist
del dfn em embed font i iframe image img input ins kbd label link map mark marquee math meta meter nobr noscript object
optgroup option output param picture progress q rb rp rt rtc ruby s samp script select slot small source span strike
strong style sub summary sup svg template textarea time track tt u var video wbr
""".split()  # noqa: SIM905 - a list would be a line each
BLOCKS = """
address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure footer
form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav noframes ol p pre search
section table tbody tfoot thead title tr ul
""".split()  # noqa: SIM905 - a list would be a line each
CELLS = ["td", "th"]
LINE_BREAK = "br"
NAMES = frozenset([*INLINE, *BLOCKS, *CELLS, LINE_BREAK])
# What a tag leaves behind, so that the words before and after it do not become one.
LEFT_BEHIND = dict.fromkeys(BLOCKS, "\n") | dict.fromkeys(CELLS, " ") | {LINE_BREAK: "\n"}
WITHOUT_TEXT = ("script", "style")

SWITCHES = """
allowfullscreen async autofocus autoplay checked compact controls crossorigin default defer disabled download hidden
inert ismap itemscope loop multiple muted nohref nomodule noresize noshade novalidate nowrap open playsinline readonly
required reversed selected
""".split()  # noqa: SIM905 - a list would be a line each
# A name without a value has to be one that HTML knows: "a <b and c> d" is no tag.
ATTRIBUTE = (
    rf"""\s++(?:[^\s"'<>/=]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++)|(?i:{"|".join(SWITCHES)})(?=[\s/>]))"""
)
MARKUP = re.compile(
    r"<!--|<!(?:doctype|DOCTYPE)\b[^<>]*+>"
    rf"|(?<!include)(?<!include )<(?P<closing>/?)(?P<name>[a-z][a-z0-9]*+|[A-Z][A-Z0-9]*+)(?:{ATTRIBUTE})*+\s*+/?>"
)
COMMENT_END = re.compile("-->")
ENDS = {name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in WITHOUT_TEXT}
ENTITY = re.compile(r"&(?:#[0-9]{1,7}+|#[xX][0-9a-fA-F]{1,6}+|[A-Za-z][A-Za-z0-9]{1,31}+);")


def without_html(text: str) -> str:
    """Without tags, comments, scripts and styles, and with the characters that entities stand for.

    Only the elements of HTML count as tags, and only entities with their semicolon. A tag that starts or ends a block
    becomes a newline where there is none yet, that of a cell a space, any other nothing. A comment, script or style
    without an end stays.
    """
    if "<" in text:
        text = "".join(_Pieces(text).all())
    return ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


class _Pieces:
    def __init__(self, text: str) -> None:
        self._text = text
        self._kept: list[str] = []
        self._last = "\n"  # the character before what comes next: no newline is due at the very start
        # Of what no end was found once, none will be found further on: a text is searched for it once only.
        self._endless: set[re.Pattern[str]] = set()

    def all(self) -> list[str]:
        start = 0
        for found in MARKUP.finditer(self._text):
            if found.start() < start or not self._is_markup(found):
                continue
            end = self._end(found)
            if end is None:
                continue
            self._keep(self._text[start : found.start()])
            self._leave(found["name"])
            start = end
        self._keep(self._text[start:])
        return self._kept

    def _is_markup(self, found: re.Match[str]) -> bool:
        name = found["name"]
        if name is None:
            return True
        # List<T> and fn<A> name types: a bold <B> follows a space.
        is_type = len(name) == 1 and name.isupper() and not found["closing"] and self._follows_word(found.start())
        return name.lower() in NAMES and not is_type

    def _follows_word(self, place: int) -> bool:
        before = self._text[place - 1 : place]
        return before.isalnum() or before in ("_", ":")

    def _end(self, found: re.Match[str]) -> int | None:
        """Where the text goes on. None for a comment that does not end."""
        if found[0] == "<!--":
            return self._search(COMMENT_END, found.end())
        if found["name"] and not found["closing"] and (closing := ENDS.get(found["name"].lower())):
            return self._search(closing, found.end()) or found.end()
        return found.end()

    def _search(self, closing: re.Pattern[str], start: int) -> int | None:
        if closing in self._endless:
            return None
        if found := closing.search(self._text, start):
            return found.end()
        self._endless.add(closing)
        return None

    def _leave(self, name: str | None) -> None:
        name = (name or "").lower()
        left = LEFT_BEHIND.get(name, "")
        is_there = self._last.isspace() if left == " " else self._last == "\n" and name != LINE_BREAK
        if not is_there:
            self._keep(left)

    def _keep(self, piece: str) -> None:
        if piece:
            self._kept.append(piece)
            self._last = piece[-1]
