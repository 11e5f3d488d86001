"""A question is a sum of parts, in Python, in JSON and on the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.pieces import question_of, split_phrases, split_weight
from vlsa.retrieve.search.question import Part, Question
from vlsa.retrieve.search.spans import Span

DOG = Part("text", "a dog barks")


def test_the_command_line_of_the_documents_is_the_sum_that_it_says():
    question = question_of("a dog barks", like_sound=["bark.wav"], unlike=["music"], like=["clip.mp4@12-15"], k=3)
    clip, bark, music = Part("clip", "clip.mp4@12-15"), Part("audio", "bark.wav"), Part("text", "music", -1)
    assert question == Question(parts=(DOG, clip, bark, music), k=3)
    assert question.parts[1].span == Span("clip.mp4", 12, 15)


def test_what_an_example_is_goes_by_its_name():
    question = question_of(like=["a.PNG", "b.wav", "c.mp4"], like_video=["d.mp4"], like_moment=["e.mp4@1-2"])
    assert [part.kind for part in question.parts] == ["image", "clip", "clip", "video", "moment"]


def test_an_image_has_no_stretch_and_one_that_moves_is_a_clip(tmp_path):
    frames = [Image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 90, 180)]
    frames[0].save(tmp_path / "still.webp")
    frames[0].save(tmp_path / "moves.webp", save_all=True, append_images=frames[1:], duration=200)
    asked = question_of(like=[tmp_path / "still.webp", tmp_path / "moves.webp", f"{tmp_path}/moves.webp@0-0.4"])
    assert [part.kind for part in asked.parts] == ["image", "clip", "clip"]
    with pytest.raises(VlsaError, match="a.png@1-2: a stretch of an image; it has no times"):
        question_of(like="a.png@1-2")
    with pytest.raises(VlsaError, match="a stretch of an image"):
        Question.from_dict({"parts": [{"image": f"{tmp_path}/still.webp@1-2"}]})


def test_a_quoted_phrase_has_to_occur_and_asks_by_its_meaning_too():
    question = question_of('she says "open the  door" twice')
    assert question.phrases == ("open the  door",) and question.parts == (Part("text", "she says open the door twice"),)
    assert split_phrases("„Guten Tag“ “so” «la» “ja”") == ("Guten Tag so la ja", ("Guten Tag", "so", "la", "ja"))
    for lone in ('she says "open', "a 12” record", "«la", "la»", "「東京", "＂no"):
        with pytest.raises(VlsaError, match="without its other half"):
            question_of(lone)
    with pytest.raises(VlsaError, match="without a letter"):
        question_of('she says "..."')


@pytest.mark.parametrize(
    "text",
    [
        "”hej då” sagt",
        "„hej då” sagt",
        "“hej då“ sagt",
        "»hej då« sagt",
        "»hej då» sagt",
        "＂hej då＂ sagt",
        '"hej då"sagt',
    ],
)
def test_quotation_marks_are_those_of_any_language(text):
    assert split_phrases(text) == ("hej då sagt", ("hej då",))
    assert split_phrases("彼は「おはよう」と言った『本』") == ("彼は おはよう と言った 本", ("おはよう", "本"))


def test_a_weight_follows_a_caret_unless_a_file_is_called_so(tmp_path):
    assert split_weight("bark.wav^0.5") == ("bark.wav", 0.5)
    assert split_weight("bark.wav^-1") == ("bark.wav", -1)
    assert split_weight("x^y") == ("x^y", 1)
    (tmp_path / "x^2").touch()
    assert split_weight(str(tmp_path / "x^2")) == (str(tmp_path / "x^2"), 1)
    assert question_of("dog", unlike=["music^0.5"]).parts[1].weight == -0.5


@pytest.mark.parametrize("weight", ["nan", "-inf", "1e3", "0,5", "1.000,5", "1.2.3", "٣"])
def test_what_looks_like_a_weight_and_is_none_is_one_line(tmp_path, weight):
    for pieces in ({"like_sound": f"bark.wav^{weight}"}, {"text": "dog", "unlike": f"music^{weight}"}):
        with pytest.raises(VlsaError, match="is no weight of '(bark.wav|music)'; what it should count is not clear"):
            question_of(**pieces)
    (tmp_path / f"x^{weight}").touch()
    assert split_weight(str(tmp_path / f"x^{weight}")) == (str(tmp_path / f"x^{weight}"), 1)


def test_an_empty_filter_and_a_weight_of_nothing_are_slips():
    for where in ("", " \t"):
        with pytest.raises(VlsaError, match="an empty filter"):
            question_of("dog", where=where)
    with pytest.raises(VlsaError, match="weight 0 of text 'music'"):
        question_of("dog", unlike="music^0")


def test_marks_are_looked_for_in_texts_that_can_be_asked_alone():
    with pytest.raises(VlsaError, match="write at most 10000 letters"):
        question_of("“" * 3_000_000)  # each mark would be looked for to the end of the text
    with pytest.raises(VlsaError, match="is a text of 30000 letters, too long; write"):
        question_of("ferry " * 5000)
    with pytest.raises(VlsaError, match="a NUL character in 'a.x00dog'; no text or file has one"):
        question_of("a\0dog")


def test_words_may_have_a_weight_as_examples_do():
    assert question_of("a dog barks^0.5").parts == (Part("text", "a dog barks", 0.5),)
    assert question_of('"good" boy^-2', like="a.mp4").parts[0] == Part("text", "good boy", -2.0)
    assert question_of("2^8 is").parts == (Part("text", "2^8 is"),)  # no weight: it does not end so
    with pytest.raises(VlsaError, match="'nan' is no weight of 'dog'"):
        question_of("dog^nan")


@pytest.mark.parametrize("phrases", [("\ud800 dog",), ("good boy", "a\udfff")])
def test_half_a_letter_is_no_part_of_a_phrase(phrases):
    with pytest.raises(VlsaError, match="is not UTF-8"):
        Question(phrases=phrases)


def test_phrases_are_together_as_long_as_a_text_may_be():
    assert Question(phrases=("dog " * 1250, "cat " * 1250)).phrases
    with pytest.raises(VlsaError, match="phrases of 10001 letters"):
        Question(phrases=("dog " * 1250, "cat " * 1250, "x"))


FULL = Question(
    parts=(DOG, Part("audio", "bark.wav@1-2", 0.5), Part("moment", "a.mp4@0:01-0:02", -2)),
    phrases=("good boy",),
    target="audio",
    k=3,
    where="duration > 60",
    group_by="file",
    max_per_file=2,
    fold_above=0.98,
)


@pytest.mark.parametrize("question", [FULL, Question(parts=(DOG,)), Question(phrases=("good boy",))])
def test_a_question_survives_json(question):
    assert Question.from_json(json.dumps(question.as_dict())) == question


def test_the_json_is_as_short_as_it_can_be():
    assert Question(parts=(DOG,)).as_dict() == {"parts": [{"text": "a dog barks"}]}
    assert FULL.as_dict()["parts"][1] == {"audio": "bark.wav@1-2", "weight": 0.5} and FULL.as_dict()["in"] == "audio"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"parts": [{"text": "dog"}], "group-by": "file"}', "Did you mean 'group_by'?"),
        ('{"parts": [{"sound": "a.wav"}]}', "Known are text, audio, video, image, clip, moment, weight"),
        ('{"parts": [{"text": "dog", "wieght": 2}]}', "Did you mean 'weight'?"),
        ('{"parts": [{"text": "dog", "audio": "a.wav"}]}', "a part with text and audio"),
        ('{"parts": [{"weight": 2}]}', "a part with nothing"),
        ('{"parts": [{"text": 5}]}', "has to be a text"),
        ('{"parts": {"text": "dog"}}', "has to be a list"),
        ('{"parts": [{"text": "dog"}], "k": 2.5}', "has to be a whole number"),
        ('{"parts": [{"text": "dog"}], "k": true}', "has to be a whole number"),
        ('{"parts": [{"text": "dog"}], "k": 0}', "k=0"),
        ('{"parts": [{"text": "dog"}], "in": "pictures"}', "use one of media, video, audio, text"),
        ('{"parts": [{"text": "dog"}], "fold_above": 2}', "fold_above=2"),
        ('{"parts": [{"text": "dog", "weight": NaN}]}', "weight nan"),
        ('{"parts": [{"text": "dog", "weight": 0}]}', "weight 0"),
        ('{"parts": [{"text": "dog", "weight": %s}]}' % ("9" * 400), "'weight' has hundreds of digits"),
        ('{"parts": [{"text": "dog"}], "fold_above": -%s}' % ("9" * 400), "'fold_above' has hundreds of digits"),
        ('{"parts": [{"text": " "}]}', "an empty text"),
        ('{"parts": [{"moment": "a.mp4"}]}', "names no stretch"),
        ('{"parts": [{"text": "music", "weight": -1}]}', "only what the answer should be unlike"),
        ('{"phrases": [5]}', "something else than texts"),
        ("{}", "the question is empty"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_question_is_one_line(value, said):
    with pytest.raises(VlsaError) as caught:
        Question.from_json(value)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_question_of_too_many_parts_is_refused():
    with pytest.raises(VlsaError, match="33 parts"):
        Question(parts=(DOG,) * 33)


def test_an_empty_text_is_a_slip_and_no_text_is_none():
    assert question_of(like=["a.wav"]).parts == (Part("clip", "a.wav"),)
    with pytest.raises(VlsaError, match="empty text"):
        question_of("  ", like=["a.wav"])
    with pytest.raises(VlsaError, match="the question is empty"):
        question_of()


def test_one_piece_and_a_path_need_no_list():
    asked = question_of("a dog", like_sound=Path("bark.wav"), unlike="music")
    assert asked == question_of("a dog", like_sound=["bark.wav"], unlike=["music"])
