"""Pages in tests: an HTML text whose elements are checked to nest, and gathered."""

from html.parser import HTMLParser

NEVER_CLOSED = {"meta", "link", "img"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in NEVER_CLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.found if name in attributes]
