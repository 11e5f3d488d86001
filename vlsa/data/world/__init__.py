"""A made world of clips in which video, audio and text are three renderings of one event log.

events.py draws the log; motion.py, picture.py, sound.py and words.py render it; clips.py lists the clips; write.py
writes them as .mp4 files.
"""

from vlsa.data.world.clips import SHARED_FACTS, caption_bits, ceiling, held_out, made_clips, world_log
from vlsa.data.world.events import ClipLog, Event, Facts, draw_facts, draw_log
from vlsa.data.world.picture import render_picture
from vlsa.data.world.sound import render_sound
from vlsa.data.world.words import caption, captions
from vlsa.data.world.write import WorldSummary, make_world

__all__ = [
    "SHARED_FACTS",
    "ClipLog",
    "Event",
    "Facts",
    "WorldSummary",
    "caption",
    "caption_bits",
    "captions",
    "ceiling",
    "draw_facts",
    "draw_log",
    "held_out",
    "made_clips",
    "make_world",
    "render_picture",
    "render_sound",
    "world_log",
]
