"""The words of an XHTML text, as Narrative.div and some presented forms are."""

from html.parser import HTMLParser

_BREAKS = frozenset({"br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "p", "table", "tr"})
_UNSEEN = frozenset({"script", "style", "title"})


def words(xhtml: str) -> str:
    """The text without its tags, a line for each block; empty lines at its ends are left out."""
    reader = _Reader()
    reader.feed(xhtml)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.found).split("\n"))
    return "\n".join(lines).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in _UNSEEN
        if tag in _BREAKS and self.found and not self.found[-1].endswith("\n"):
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data.replace("\n", " "))
