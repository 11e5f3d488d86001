"""Markup in the text of subtitles, which nobody says. Pure functions; used by subtitles.py and embedded_text.py."""

import html
import re

from vlsa.data.media.text_files import one_line

DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
"""{\\p1}m 0 0 l 9 0{\\p0}: commands of a drawing, not text. No brace within braces, or a text of braces takes hours."""
READING = re.compile(r"<(r[tp])(?:[\s.][^<>]*)?>.*?(?:</\1>|(?=</?ruby|<r[tp])|$)", re.DOTALL | re.IGNORECASE)
"""In ruby, how the characters before it are spoken, in small letters above them: they would be said twice."""
RUBY = re.compile(r"<ruby[\s.>]", re.IGNORECASE)
MARKUP = re.compile(
    r"\{\*?\\[^{}]*\}|\{/?[biu]\}|\{[yY]:[biu,]+\}"  # {\i1}, {\an8}, {*\pos(1,2)}: SubStation codes; {b}, {y:i}
    r"|</?(?:i|b|u|s|c|v|font|ruby|rt|rp|lang|span|em|strong|small|big|sub|sup|strike|del|ins|mark|center|tt|a|code)"
    r"(?:[\s.][^<>]*)?/?>"  # <i>, <font color=...>, <v Ann>, <c.yellow>
    r"|<\d[\d:.]*>",  # <00:01.500>: WebVTT karaoke times
    re.IGNORECASE,
)
ESCAPED = re.compile(r"<(i|b|u|font|span|c|v)(?:[\s.][^<>]*)?>[^<>]*</\1>", re.IGNORECASE)
LINE_BREAK = re.compile(r"</?(?:br|p|div)(?:\s[^<>]*)?/?>", re.IGNORECASE)
BACKSLASHES = re.compile(r"((?:(?<=\\[Nnh])|\b)[A-Za-z]:\\\S*|\\\\\S*)|\\[Nnh]")
"""Breaks and hard spaces as in SubStation, from which SubRip is made; players know them there. Of a path, C:\\new or
\\\\server\\new, they are a part."""
SUBSTATION_BREAK = re.compile(r"\\[Nnh]")
SUBSTATION_LINE = re.compile(r"\\[Nn]|\n")
SUBSTATION_BLOCK = re.compile(r"\{[^}]*\}")
"""Codes and comments; to be searched for before the last } alone."""


def clean_text(text: str) -> str:
    """Text without markup, drawings, readings of ruby, character references, line breaks and marks that nobody sees.

    What is written as references twice (&amp;#39;), or is markup from its beginning to its end when they are resolved
    (&lt;i&gt;a bell&lt;/i&gt;), was so written by a tool; a tag alone is what is said.
    """
    text = DRAWING.sub("", text)
    text = READING.sub("", text) if RUBY.search(text) else text
    text = LINE_BREAK.sub(" ", MARKUP.sub("", text))
    text = html.unescape(html.unescape(BACKSLASHES.sub(lambda found: found[1] or " ", text)))
    return one_line(MARKUP.sub("", text) if ESCAPED.search(text) else text)


def clean_substation(text: str) -> str:
    """The same of the text of a SubStation cue, in which all in {} is code or comment."""
    return clean_text(SUBSTATION_BREAK.sub(" ", _without_blocks(text)))


def substation_text_lines(text: str) -> tuple[str, ...]:
    """The lines of the text of a SubStation cue, each as `clean_substation` leaves it."""
    return tuple(map(clean_text, SUBSTATION_LINE.split(_without_blocks(text).replace(r"\h", " "))))


def _without_blocks(text: str) -> str:
    before, brace, after = DRAWING.sub("", text).rpartition("}")
    return SUBSTATION_BLOCK.sub("", before + brace) + after
