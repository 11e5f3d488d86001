"""Languages by their names: what a filter, a subtitle stream or the name of a sidecar calls one, as one code.

A language is known by two letters (ISO 639-1) or where it has none by three, by its codes of three letters (ISO 639-2,
some have two), by codes of before, and by its names: in English, and of frequent ones in the language itself. Subtitle
streams have three letters, names of sidecars any of these, transcripts two. Used by file_filter.py.
"""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.words import normalised

_LANGUAGES = """
aa/aar:Afar; ab/abk:Abkhazian; ae/ave:Avestan; af/afr:Afrikaans; ak/aka:Akan; am/amh:Amharic,አማርኛ; an/arg:Aragonese;
ar/ara:Arabic,العربية; as/asm:Assamese; av/ava:Avaric; ay/aym:Aymara; az/aze:Azerbaijani; ba/bak:Bashkir;
be/bel:Belarusian,беларуская; bg/bul:Bulgarian,български; bh/bih:Bihari; bi/bis:Bislama; bm/bam:Bambara;
bn/ben:Bengali,Bangla,বাংলা; bo/bod/tib:Tibetan; br/bre:Breton; bs/bos:Bosnian; ca/cat:Catalan,Valencian,català;
ce/che:Chechen; ch/cha:Chamorro; co/cos:Corsican; cr/cre:Cree; cs/ces/cze:Czech,čeština; cu/chu:Church Slavic;
cv/chv:Chuvash; cy/cym/wel:Welsh,Cymraeg; da/dan:Danish,dansk; de/deu/ger:German,Deutsch; dv/div:Divehi,Maldivian;
dz/dzo:Dzongkha; ee/ewe:Ewe; el/ell/gre:Greek,ελληνικά; en/eng:English; eo/epo:Esperanto;
es/spa:Spanish,Castilian,español; et/est:Estonian,eesti; eu/baq/eus:Basque,euskara; fa/fas/per:Persian,Farsi,فارسی;
ff/ful:Fulah; fi/fin:Finnish,suomi; fj/fij:Fijian; fo/fao:Faroese; fr/fra/fre:French,français;
fy/fry:Western Frisian,Frisian; ga/gle:Irish,Gaeilge; gd/gla:Scottish Gaelic,Gaelic; gl/glg:Galician,galego;
gn/grn:Guarani; gu/guj:Gujarati; gv/glv:Manx; ha/hau:Hausa; he/heb/iw:Hebrew,עברית; hi/hin:Hindi,हिन्दी;
ho/hmo:Hiri Motu; hr/hrv:Croatian,hrvatski; ht/hat:Haitian Creole,Haitian; hu/hun:Hungarian,magyar;
hy/arm/hye:Armenian,հայերեն; hz/her:Herero; ia/ina:Interlingua; id/ind/in:Indonesian,Bahasa Indonesia;
ie/ile:Interlingue; ig/ibo:Igbo; ii/iii:Sichuan Yi; ik/ipk:Inupiaq; io/ido:Ido; is/ice/isl:Icelandic,íslenska;
it/ita:Italian,italiano; iu/iku:Inuktitut; ja/jpn:Japanese,日本語; jv/jav/jw:Javanese; ka/geo/kat:Georgian,ქართული;
kg/kon:Kongo; ki/kik:Kikuyu; kj/kua:Kuanyama; kk/kaz:Kazakh; kl/kal:Kalaallisut,Greenlandic; km/khm:Khmer,ខ្មែរ;
kn/kan:Kannada; ko/kor:Korean,한국어; kr/kau:Kanuri; ks/kas:Kashmiri; ku/kur:Kurdish; kv/kom:Komi; kw/cor:Cornish;
ky/kir:Kyrgyz,Kirghiz; la/lat:Latin; lb/ltz:Luxembourgish; lg/lug:Ganda; li/lim:Limburgish; ln/lin:Lingala;
lo/lao:Lao; lt/lit:Lithuanian,lietuvių; lu/lub:Luba-Katanga; lv/lav:Latvian,latviešu; mg/mlg:Malagasy;
mh/mah:Marshallese; mi/mao/mri:Maori; mk/mac/mkd:Macedonian,македонски; ml/mal:Malayalam; mn/mon:Mongolian;
mr/mar:Marathi,मराठी; ms/may/msa:Malay; mt/mlt:Maltese; my/bur/mya:Burmese,Myanmar; na/nau:Nauru;
nb/nob:Norwegian Bokmål,Bokmål; nd/nde:North Ndebele; ne/nep:Nepali; ng/ndo:Ndonga;
nl/dut/nld:Dutch,Flemish,Nederlands; nn/nno:Norwegian Nynorsk,Nynorsk; no/nor:Norwegian,norsk; nr/nbl:South Ndebele;
nv/nav:Navajo; ny/nya:Chichewa,Nyanja; oc/oci:Occitan; oj/oji:Ojibwa; om/orm:Oromo; or/ori:Odia,Oriya;
os/oss:Ossetian; pa/pan:Punjabi,Panjabi; pi/pli:Pali; pl/pol:Polish,polski; ps/pus:Pashto;
pt/por:Portuguese,português; qu/que:Quechua; rm/roh:Romansh; rn/run:Rundi; ro/ron/rum/mol/mo:Romanian,Moldovan,română;
ru/rus:Russian,русский; rw/kin:Kinyarwanda; sa/san:Sanskrit; sc/srd:Sardinian; sd/snd:Sindhi; se/sme:Northern Sami;
sg/sag:Sango; si/sin:Sinhala,Sinhalese; sk/slk/slo:Slovak,slovenčina; sl/slv:Slovenian,Slovene,slovenščina;
sm/smo:Samoan; sn/sna:Shona; so/som:Somali; sq/alb/sqi:Albanian,shqip; sr/srp:Serbian,српски; ss/ssw:Swati;
st/sot:Southern Sotho; su/sun:Sundanese; sv/swe:Swedish,svenska; sw/swa:Swahili,Kiswahili; ta/tam:Tamil,தமிழ்;
te/tel:Telugu,తెలుగు; tg/tgk:Tajik; th/tha:Thai,ไทย; ti/tir:Tigrinya; tk/tuk:Turkmen; tl/tgl:Tagalog; tn/tsn:Tswana;
to/ton:Tonga; tr/tur:Turkish,Türkçe; ts/tso:Tsonga; tt/tat:Tatar; tw/twi:Twi; ty/tah:Tahitian; ug/uig:Uyghur;
uk/ukr:Ukrainian,українська; ur/urd:Urdu,اردو; uz/uzb:Uzbek; ve/ven:Venda; vi/vie:Vietnamese,Tiếng Việt;
vo/vol:Volapük; wa/wln:Walloon; wo/wol:Wolof; xh/xho:Xhosa; yi/yid/ji:Yiddish; yo/yor:Yoruba; za/zha:Zhuang;
zh/chi/zho/cmn:Chinese,Mandarin,中文; zu/zul:Zulu; ast:Asturian,asturianu; ceb:Cebuano; fil:Filipino; gsw:Swiss German;
haw:Hawaiian; hmn:Hmong; sco:Scots; yue:Cantonese,粵語; nds:Low German; ckb:Central Kurdish,Sorani; arz:Egyptian Arabic;
grc:Ancient Greek
"""
"""Codes with / between them, the one that is kept first; names with commas."""


def _read(table: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for entry in re.split(r";\s+", table.strip()):
        codes, _, names = entry.partition(":")
        yield codes.partition("/")[0], codes.split("/"), names.replace("\n", " ").split(",")


_NAMES = {code: names[0] for code, _, names in _read(_LANGUAGES)}
"""In English, by code."""
_CODES = {called: code for code, codes, names in _read(_LANGUAGES) for called in (*codes, *map(normalised, names))}
"""By all that a language is called."""


def language_code(name: str) -> str:
    """`en` for en, EN, eng and English; `fr` for fre, fra and français; `pt_BR` is pt-br. Any other name in lower case.

    Three letters where there are no two.
    """
    plain = name.strip().lower().replace("_", "-")
    if whole := _CODES.get(normalised(plain)):
        return whole
    first, *rest = plain.split("-")
    return "-".join([_CODES.get(normalised(first), first), *rest])


def languages_meant(name: str, held: Collection[str]) -> list[str]:
    """Which languages of an index a filter asks for by a name. `held`: those of its texts, as `language_code` has them.

    A language is meant with all its regions, and a region with what names none: `en` asks for en and en-us, `en-US` for
    these two and not for en-gb. Raises VlsaError for a name that no language has.
    """
    asked = language_code(name)
    found = sorted(code for code in held if _within(code, asked) or _within(asked, code))
    if not found and asked.partition("-")[0] not in _NAMES:
        raise VlsaError(_unknown(name, held))
    return found


def _within(code: str, other: str) -> bool:
    return code == other or code.startswith(f"{other}-")


def _unknown(name: str, held: Collection[str]) -> str:
    there = ", ".join(f"{code} ({_NAMES[code]})" if code in _NAMES else code for code in sorted(held))
    near = get_close_matches(normalised(name), _CODES, 1, 0.6)
    advice = f"Did you mean {_NAMES[_CODES[near[0]]]}? " if near else ""
    return (
        f"where: no language is called {name[:40]!r}; nothing was searched. {advice}"
        f"{f'The index holds {there}' if there else 'No text of the index says its language'}."
    )
