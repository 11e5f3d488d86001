"""Sentences spoken by eSpeak NG, with the true time of each word: for tests that hear real speech.

Needs the package espeakng-loader, which holds the library and its voices. It is no dependency: tests are skipped
without it.
"""

import ctypes
from dataclasses import dataclass, field

import numpy as np

RETRIEVE, WORD_EVENT, UTF8 = 1, 1, 1


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass
class Spoken:
    """What was said: samples at a rate, and when words begin."""

    rate_hz: int = 0
    parts: list[np.ndarray] = field(default_factory=list)
    begins: dict[int, float] = field(default_factory=dict)
    """Seconds by the place of a word's first letter in the text; of words that are spoken as one, the first word's."""

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate(self.parts).astype(np.float32) / 32768


def speak(text: str, words_per_minute: int = 140) -> Spoken:
    """Speak one sentence in English."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    spoken = Spoken()

    def keep(samples, num_samples, events):
        if samples and num_samples:
            spoken.parts.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        number = 0
        while events[number].type:
            if events[number].type == WORD_EVENT:
                spoken.begins[events[number].text_position - 1] = events[number].audio_position / 1000
            number += 1
        return 0

    callback = _CALLBACK(keep)
    data = espeakng_loader.get_data_path().encode()
    spoken.rate_hz = library.espeak_Initialize(RETRIEVE, 500, data, 0)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_SetParameter(1, words_per_minute, 0)
    encoded = text.encode() + b"\0"
    library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, UTF8, None, None)
    library.espeak_Synchronize()
    library.espeak_Terminate()  # while the callback is alive: the library keeps its address
    return spoken
