"""Which of the one-byte encodings a text in Latin letters is written in, by the letters that each language has.

A text in the right encoding has only letters of one language beyond ASCII, and in a wrong one signs and letters that
never come together: `że już` of Poland is `¿e ju¿` in the west of Europe. Used by text_files.py.
"""

from collections import Counter
from functools import cache

WESTERN = "cp1252"
"""What programs for Windows of western countries write; it wins where the letters leave it open."""
LETTERS = {
    "cp1252": (
        "àâæçéèêëîïôœùûüÿ", "äöüß", "áéíóúñü¿¡ªº", "àáâãçéêíóôõúüªº", "àéèìíîòóùú", "åäöéü", "æøåéèêóòâô", "áéíóúýþæöð",
        "éèëïöüóáêûàç", "àçéèíïóòúüñ·", "ëç", "áéíóúàèìòùâêîôûŵŷäëïöüÿ", "äöõüšž",
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž", "ëç"),
    "iso8859_2": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "čćđšž"),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
    "cp1254": ("çğıİöşüâîû",),
}  # fmt: skip
"""Beyond ASCII, by language, in small letters; capital ones belong to them."""
SIGNS = "€‚„…†‡‰‹›‘’“”•–—™\xa0¢£¥¦§©«¬\xad®°±²³´µ¶·¹»¼½¾×÷♪"
"""Of any language, where they stand between spaces, digits and marks. Next to a letter, most are another letter.
In the west µm, m³, note¹, nº and ¼cup are written as well: there, only those within a word are."""
ORDINALS = "ªº"
"""Signs of western texts alone, and letters of some."""
IN_WORDS = frozenset("€‚„…‹›‘’“”•–—™\xa0§©«\xad®°»·")
"""Of these, those that touch words."""
CLEARLY = 4
"""How many times as many letters have to be foreign to a text in western letters as in other ones."""
FEWEST_FOREIGN = 3


def latin_encoding(data: bytes) -> str | None:
    """The encoding of a text in Latin letters; None if its bytes are none in any.

    It is that of the west unless another one explains clearly more of the letters.
    """
    between = _bytes_between(data)
    foreign = {encoding: _num_foreign(between, encoding) for encoding in LETTERS}
    possible = [encoding for encoding, number in foreign.items() if number is not None]
    best = min(possible, key=lambda encoding: foreign[encoding], default=None)
    if foreign[WESTERN] is None or best is None:
        return best
    is_clear = foreign[WESTERN] >= max(FEWEST_FOREIGN, CLEARLY * foreign[best])
    return best if is_clear else WESTERN


def _bytes_between(data: bytes) -> Counter[tuple[int, int]]:
    """How often each byte beyond ASCII occurs, and next to how many ASCII letters (0 to 2)."""
    is_letter = [chr(byte).isalpha() and byte < 128 for byte in range(256)]
    padded = b" " + data + b" "
    return Counter(
        (byte, is_letter[padded[place]] + is_letter[padded[place + 2]]) for place, byte in enumerate(data) if byte > 127
    )


def _num_foreign(between: Counter[tuple[int, int]], encoding: str) -> int | None:
    """Letters and signs that do not belong to the language that has most of them; None for bytes without any."""
    characters = _characters(encoding)
    if any(byte not in characters for byte, _ in between):
        return None
    signs, least = (SIGNS + ORDINALS, 2) if encoding == WESTERN else (SIGNS, 1)
    return min(
        sum(
            number
            for (byte, num_letters), number in between.items()
            if not _belongs(characters[byte], num_letters >= least, language, signs)
        )
        for language in LETTERS[encoding]
    )


def _belongs(character: str, is_in_word: bool, language: str, signs: str) -> bool:
    if character in signs:
        return not is_in_word or character in IN_WORDS or character in language
    return character in language or character.lower() in language


@cache
def _characters(encoding: str) -> dict[int, str]:
    found = {byte: bytes([byte]).decode(encoding, "ignore") for byte in range(128, 256)}
    return {byte: character for byte, character in found.items() if character and not "\x80" <= character < "\xa0"}
