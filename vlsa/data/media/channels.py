"""The channels of decoded audio, and what is heard of them by one ear. Used by audio.py.

Axes: C channels, N samples at the file's rate.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32

CANCELLED_SHARE = 1e-3
"""Of the energy of its channels; a mix with less is silence, as of a channel and its inverse. (Of C channels of which
one sounds, the mean keeps 1/C.)"""
CANCELLED_SECONDS = 0.25
"""Of audio are looked at by themselves: channels may be inverted in a part of a recording alone."""
SILENT = 2**-16
"""Of an amplitude: half a step of 16 bits."""
FRONT, CENTRE, AROUND = 1.0, 2**0.5, 0.5**0.5
SHARES = {
    **dict.fromkeys(("FL", "FR", "DL", "DR", "FLC", "FRC", "WL", "WR"), FRONT),
    **dict.fromkeys(("FC", "BC", "TC", "TFC"), CENTRE),
    **dict.fromkeys(("BL", "BR", "SL", "SR", "TFL", "TFR", "TBL", "TBR", "TSL", "TSR"), AROUND),
    "LFE": 0.0,
}
"""Of a loudspeaker in the mix, by its name: both sides of ITU-R BS.775's stereo, added. The channel of effects, which
repeats low notes of the others, has none."""


SAMPLE_TYPES = {"u8p": "u1", "s16p": "i2", "s32p": "i4", "s64p": "i8", "fltp": "f4", "dblp": "f8"}
"""NumPy's names of the formats in which each channel is by itself."""


def samples_of(frame: Any) -> np.ndarray:
    """A frame's samples as they are, one channel a row, or (formats that are not planar) one after the other in one.

    PyAV's own `to_ndarray` reads a ninth channel of frames that have eight, which does not exist, and crashes.
    """
    if not frame.format.is_planar:
        return frame.to_ndarray()
    kind, planes = np.dtype(SAMPLE_TYPES[frame.format.name]), frame.planes[: frame.layout.nb_channels]
    return np.stack([np.frombuffer(plane, kind, frame.samples) for plane in planes])


def is_sounding(frame: Any) -> bool:
    """Whether its samples differ."""
    samples = samples_of(frame)
    return bool(samples.max() > samples.min())


def channels_of(frame: Any) -> Float32[np.ndarray, "C N"]:
    """A frame's samples, in [-1, 1]."""
    samples = samples_of(frame)
    if samples.dtype == np.uint8:
        samples = samples.astype(np.float32) / 128 - 1
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return samples.astype(np.float32, copy=False)


def weights_of(frame: Any) -> tuple[float, ...]:
    """The share of each channel in the mix; their sum is 1. Equal ones where it is not known where they belong."""
    shares = [SHARES.get(channel.name) for channel in frame.layout.channels]
    if len(shares) != frame.layout.nb_channels or None in shares or not any(shares):
        shares = [1.0] * frame.layout.nb_channels
    return tuple(share / sum(shares) for share in shares)


def mono(
    channels: Float32[np.ndarray, "C N"], rate_hz: int, weights: tuple[float, ...] | None = None
) -> tuple[Float32[np.ndarray, " N"], bool]:
    """The mix of channels (without weights, their mean); or the loudest for as long as they cancel out, and if they do.

    Channels without weight are heard where all others are silent from the first sample to the last.
    (libswresample's own mono is 1.414 times as loud.)
    """
    if weights is not None and 0 < weights.count(0) < len(channels):
        is_heard = np.array(weights) > 0
        if np.abs(channels[is_heard]).max(initial=0) > SILENT:
            channels, weights = channels[is_heard], tuple(weight for weight in weights if weight > 0)
    if weights is None or len(set(weights)) == 1:
        mix = channels.mean(axis=0, dtype=np.float32)
    else:
        mix = (np.asarray(weights, np.float32)[:, None] * channels).sum(axis=0)
    starts = np.arange(0, len(mix), max(round(CANCELLED_SECONDS * rate_hz), 1))
    if len(channels) == 1 or len(starts) == 0:
        return mix, False
    energies = np.add.reduceat(np.square(channels), starts, axis=1)  # C, stretches
    is_cancelled = np.add.reduceat(np.square(mix), starts) < CANCELLED_SHARE * energies.mean(axis=0)
    if is_cancelled.any():
        loudest = channels[int(energies[:, is_cancelled].sum(axis=1).argmax())]
        mix = np.where(np.repeat(is_cancelled, np.diff([*starts, len(mix)])), loudest, mix)
    return mix, bool(is_cancelled.any())
