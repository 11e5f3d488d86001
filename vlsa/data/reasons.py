"""Why a clip, or a whole file, is left out: what each reason means, and what helps.

The words are those of `Rejection` and `MediaError`; docs/data.md has this table, and the server shows it with the
report of an index.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """Short texts for people, with `code` in backticks."""

    meaning: str
    remedy: str


REASONS: dict[str, Reason] = {
    "missing": Reason(
        "a table or list names a file that does not exist, or a link leads nowhere: what an index has from there stays",
        "correct the path; connect the drive, or remove the link",
    ),
    "not_a_file": Reason("the path is a folder or something else", "name one file"),
    "empty": Reason("0 bytes", "copy or download it again"),
    "permission": Reason(
        "may not be read; or a folder that may not be listed or entered, and so all in it",
        "`chmod +r`; `chmod u+rx` for a folder",
    ),
    "unreadable": Reason(
        "not a media file, or damaged at its beginning", "check that it plays elsewhere; copy it again"
    ),
    "truncated": Reason("an MP4 without its whole index (`moov`): cut short, or still being written", "copy it again"),
    "encrypted": Reason("protected (DRM)", "use an unprotected copy"),
    "no_streams": Reason("neither video nor audio that can be decoded", "drop it"),
    "damaged": Reason(
        "damaged packets: more than 0.25 s or more than 200 packets are missing, or no frame can be decoded",
        "copy it again, or drop the clip",
    ),
    "zero_length": Reason(
        "the media, or the clip by its times, has no length", "fix the times, or copy the file again"
    ),
    "too_short": Reason("a file without text under 0.5 s", "give it a caption, or leave it out"),
    "too_long": Reason("the frames of one clip would take more than 2 GiB of memory", "cut it into shorter clips"),
    "memory": Reason(
        "decoding took more memory than there is; the file may be whole", "more memory, fewer workers, or shorter clips"
    ),
    "too_large": Reason(
        "an image of more than 179 million pixels, or over 100 times as long as it is wide",
        "make it smaller, or cut it up",
    ),
    "outside": Reason(
        "the clip, or a text of an index, starts after the file's end, or half of the clip would", "fix the times"
    ),
    "nothing": Reason(
        "neither video nor audio in the stretch (silence does not count)", "choose other times, or drop the clip"
    ),
    "captions": Reason(
        "the file's subtitles cannot be read: encoding, no cue, closed captions, or are no words (measurements, "
        "thumbnails); the file is kept without its text",
        "as the message says: fix or remove the sidecar",
    ),
    "transcript": Reason(
        "what is said in the file, or in a part of it, could not be heard (`--transcribe`); the file is kept",
        "as the message says; it is tried again by `--restart`, or when the file changes",
    ),
    "scenes": Reason(
        "cuts could not be looked for (`--scenes`), or captions go across some; the file is kept as without them",
        "none needed, or as the message says",
    ),
    "sidecar": Reason(
        "a subtitle file that is not read: of no media file by its name, of another kind or ending, of images, or (in "
        "a store) of another language; a caption table of another kind; or what may hold the words of a media file",
        "rename the one to be read, or remove it",
    ),
    "ending": Reason(
        "a file that begins as media do, and has no ending of media: an unfinished download, a preview that a camera "
        "made, another name; a row of a caption table takes it up",
        "finish it, or rename it, such as to .mp4",
    ),
    "cues": Reason("some cues of a sidecar have a timing that cannot be read; the others are kept", "fix the sidecar"),
    "encoding": Reason(
        "a sidecar is not Unicode; says as what it was read, such as CP1252", "convert it to UTF-8 if letters are wrong"
    ),
    "choice": Reason(
        "the file left a choice, such as several subtitle streams, or a part of it cannot be read; says what was "
        "decided",
        "none needed, or as the message says",
    ),
    "linked": Reason("a link to what is taken up under another name, or to a folder around it", "none needed"),
    "not_allowed": Reason("a caption table names a file outside of the folder", "move it, or `--allow-outside`"),
    "crashed": Reason("the decoder's process died of it", "convert the file, or leave it out"),
    "timeout": Reason(
        "the decoder hung: it computed for 20 s, and more for long or large files, or did nothing for as long",
        "convert the file, or leave it out",
    ),
    "no_caption": Reason(
        "import only: the annotations have no text for the clip",
        "expected for a few; otherwise add the file that has them",
    ),
    "no_video": Reason("the clip has no video, and was to be dropped then (`--drop no_video`)", "none needed"),
    "no_sound": Reason(
        "the clip has no audio, and was to be dropped then (`--drop no_sound`); at import, a file without audio in a "
        "data set that is about audio",
        "none needed; at import, get the file with its audio",
    ),
    "no_text": Reason("the clip has no text, and was to be dropped then (`--drop no_text`)", "none needed"),
    "malformed": Reason(
        "import only: a row of a table, or an object, without an id, with a time that is none, with too few values",
        "correct the line that is named",
    ),
    "length": Reason(
        "import only: a file named as a cut clip is more than 2 s longer, or under half as long, as the clip",
        "cut it again, or give the whole video",
    ),
    "ambiguous": Reason(
        "import only: different files in several folders have the clip's name, or one cut file has the name of two "
        "clips",
        "name a folder that holds one of them",
    ),
    "duplicate": Reason("import only: the clip is also in a held-out split, and stays there", "none needed"),
    "file_name": Reason("index only: the name is not UTF-8", "rename the file"),
}
"""By the word that reports count by."""


def markdown_rows() -> list[str]:
    """The rows of the table in docs/data.md."""
    return [f"| `{word}` | {reason.meaning} | {reason.remedy} |" for word, reason in REASONS.items()]
