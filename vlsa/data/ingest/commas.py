"""What a comma in a number is: the decimal mark of half of the world, or that between thousands of the other half.

`12,5` and `1,234.5` say it themselves. `1,234` does not: the other numbers of its table do, or what separates columns.
Used by captions.py and the readers of annotations.
"""

import re
from collections.abc import Iterable

OPEN = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
"""1,234: 1234, or 1.234."""
GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+\.\d+")
DOTTED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+")
DECIMAL = re.compile(r"(?:\d{1,3}:)*\d+,\d+")
SECONDS = re.compile(r"(?<=\d)\s*s(?:ec(?:onds?)?)?$", re.IGNORECASE)
"""12.5s, 12.5 sec."""
POINT = re.compile(r"(?:\d{1,3}:)*\d+\.\d+")


def is_open(text: str) -> bool:
    """Whether a number alone does not say what its comma is."""
    return bool(OPEN.fullmatch(text.strip()))


def is_decimal_comma(numbers: Iterable[str], delimiter: str = "") -> bool | None:
    """Whether a comma is the decimal mark in a table with these numbers; None where nothing says.

    Columns are separated by semicolons where the comma is taken for decimals.
    """
    commas = points = 0
    for number in map(str.strip, numbers):
        if OPEN.fullmatch(number):
            continue
        commas += bool(DECIMAL.fullmatch(number) or DOTTED.fullmatch(number))
        points += bool(GROUPED.fullmatch(number) or POINT.fullmatch(number))
    if bool(commas) != bool(points):
        return bool(commas)
    return True if delimiter == ";" else None


def number_of(text: str, is_decimal: bool | None = None) -> float:
    """A number with a comma or without, and maybe an s. Raises ValueError, also where it is open what the comma is."""
    text = SECONDS.sub("", text.strip())
    if OPEN.fullmatch(text):
        if is_decimal is None or (is_decimal and text.count(",") > 1):
            raise ValueError(f"{text} is {text.replace(',', '')} or {text.replace(',', '.', 1)}")
        return float(text.replace(",", "." if is_decimal else ""))
    if GROUPED.fullmatch(text):
        return float(text.replace(",", ""))
    if DOTTED.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    return float(text.replace(",", ".", 1))
