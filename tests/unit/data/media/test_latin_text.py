"""Text in Latin letters of one byte is read in the encoding of its language, and told so."""

import sys

import pytest

from vlsa.base.errors import CaptionError
from vlsa.data.media.latin_text import latin_encoding
from vlsa.data.media.subtitles import read_subtitle_file
from vlsa.data.media.text_files import read_text

SENTENCES = [
    ("cp1250", "Nie mogę uwierzyć, że już się skończyło, więc chodźmy. Źle się czuję, dziękuję."),
    ("iso8859_2", "Nie mogę uwierzyć, że już się skończyło, więc chodźmy. Źle się czuję, dziękuję."),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy. Nevím, co mám dělat."),
    ("cp1250", "Nem tudom, mit tegyek. Az őrült nő a tűzhöz futott, s ő is őt űzte. Köszönöm szépen, jó napot."),
    ("cp1250", "Nu ştiu ce să fac. Mulţumesc frumos, aş vrea să plec acasă când îţi convine."),
    ("cp1250", "Ne znam što da radim. Možeš li mi reći gdje je kuća? Hvala, već je kasno. Đorđe čeka."),
    ("cp1254", "Güneş doğdu, şimdi gidiyoruz. Çok güzel bir gün, değil mi? İyi akşamlar. Işığı söndür."),
    ("cp1257", "Ačiū labai, aš nežinau, ką daryti. Šiandien graži diena, eikime į mišką."),
    ("cp1257", "Es nezinu, ko darīt. Kāpēc tu raudi? Šodien ir skaista diena, ņem maizi un ļoti ātri nāc, mūžīgi."),
    ("cp1252", "Je ne sais pas quoi faire. C’était une très belle journée, n'est-ce pas ? Où êtes-vous ? Ça va."),
    ("cp1252", "Ich weiß nicht, was ich tun soll. Schöne Grüße, über Österreich hinaus. „Wirklich?“ fragte er."),
    ("cp1252", "¿Qué haces aquí? ¡No sé qué hacer! Mañana será otro día, señor. La 2ª, el 3º."),
    ("cp1252", "Não sei o que fazer. Amanhã será outro dia, vocês estão prontos? Coração é avó."),
    ("cp1252", "Ég veit ekki hvað ég á að gera. Það er góður dagur, þú ert hér. Ýmislegt ætti að verða."),
    ("cp1252", "Jeg ved ikke, hvad jeg skal gøre. Børn, kom så! Vi ses på fredag, kære ven. Få øl."),
    ("cp1252", "En tiedä, mitä tehdä. Tänään on kaunis päivä, mennään metsään. Hyvää yötä."),
    ("cp1252", "It’s a café – “naïve”, £5 and 20° … don’t you know? ½ © Zoë Müller, Señor."),
    ("cp1252", "The cells are 10 µm wide, the walls 6 µm, and the grains 0.1 µm."),
    ("cp1252", "It holds 5 m³, the others 7 m³ and 9 m³, on 12 m² and 14 m²."),
    ("cp1252", "One note¹, two notes², and another¹ in other¹ words³."),
    ("cp1252", "Add ¼cup of milk, ¼cup of oil and ¼cup of sugar; ¾cup of flour."),
    ("cp1252", "¶La la la¶ ¶La la la la¶ ¶La la¶"),
    ("cp1252", "Le nº 5, le nº 7 et le nº 9; la 1ª e la 2ª, Nº 12."),
]


@pytest.mark.parametrize(("encoding", "text"), SENTENCES)
def test_a_text_is_read_with_the_letters_of_its_language(encoding, text):
    assert text.encode(encoding).decode(latin_encoding(text.encode(encoding))) == text


def test_a_word_that_may_be_of_the_west_is():
    assert latin_encoding("café".encode("cp1252")) == "cp1252"
    assert latin_encoding("że".encode("cp1250")) == "cp1252"  # one letter says nothing


def test_bytes_that_are_no_letters_anywhere_have_no_encoding():
    assert latin_encoding(bytes(range(128, 256))) is None


def test_subtitles_of_the_east_of_europe_are_read_and_said_to_be_guessed(tmp_path):
    path = tmp_path / "film.srt"
    path.write_bytes(f"1\n00:00:01,000 --> 00:00:02,000\n{SENTENCES[0][1]}\n".encode("cp1250"))
    found = read_subtitle_file(path)
    assert [cue.text for cue in found.cues] == [SENTENCES[0][1]]
    ((reason, message),) = found.remarks(path)
    assert reason == "encoding" and "cp1250" in message


@pytest.mark.parametrize(
    ("encoding", "name", "text"),
    [
        ("cp1250", "CP1250", SENTENCES[0][1]),
        ("cp932", "CP932", "こんにちは世界、鐘が鳴っています"),
        ("koi8_r", "KOI8-R", "Привет, как твои дела? Сегодня хорошая погода."),
    ],
)
def test_a_table_is_refused_with_the_command_that_makes_it_right(tmp_path, encoding, name, text):
    path = tmp_path / "captions.csv"
    path.write_bytes(f"path,text\na.mp4,{text}\n".encode(encoding))
    with pytest.raises(CaptionError, match=f"If it is {name}: iconv -f {name} -t UTF-8 "):
        read_text(path)


def test_a_table_is_refused_in_one_line_where_charset_normalizer_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)  # as if it were not installed
    path = tmp_path / "captions.csv"
    path.write_bytes("path,text\na.mp4,Привет, как твои дела?\n".encode("cp1251"))
    with pytest.raises(CaptionError, match="captions.csv:2: byte 16 is not UTF-8 text"):
        read_text(path)
