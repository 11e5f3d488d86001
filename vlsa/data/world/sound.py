"""The audio of a log: modal synthesis of each impact, with quieter off-screen sounds.

Reads events.py; used by write.py, clips.py and rendered.py. Axes: S samples, M modes, L samples of one hit, N impacts.
"""

from dataclasses import dataclass

import numpy as np

from vlsa.data.world.events import ClipLog

PITCH_HZ = {"small": 880.0, "medium": 440.0, "big": 220.0}
"""Lowest mode: the frequency is proportional to 1 / size."""
PEAK = 0.7
"""Of the loudest impact; the same in every clip."""
AMBIENCE_DB = -22.0
"""Peak of the off-screen sound relative to the peak of the impacts."""

HARDNESS = {"slow": 0.75, "fast": 1.5}
"""A fast object strikes harder and sounds brighter: even a single impact reveals the tempo."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timbre:
    """The sound of a material: its modes, their decay, and the softness of the contact."""

    ratios: tuple[float, ...]
    decay_seconds: float
    """T60 of the lowest mode."""
    decay_slope: float
    """How much faster high modes decay."""
    softness_hz: float
    """Modes far above it are hardly excited, since a soft contact is long."""
    click: float
    """Share of noise in the first milliseconds."""


TIMBRES = {
    "wood": Timbre(
        ratios=(1.0, 2.57, 3.9, 4.95, 6.8), decay_seconds=0.13, decay_slope=0.5, softness_hz=2200.0, click=0.5
    ),
    "metal": Timbre(
        ratios=(1.0, 1.48, 2.09, 2.56, 3.39, 4.08, 5.37, 6.9, 8.6, 10.4),
        decay_seconds=0.9,
        decay_slope=0.08,
        softness_hz=4500.0,
        click=0.2,
    ),
    "glass": Timbre(
        ratios=(1.0, 2.32, 4.25, 6.63, 9.38, 12.2, 15.1),
        decay_seconds=0.4,
        decay_slope=0.03,
        softness_hz=9000.0,
        click=0.35,
    ),
    "rubber": Timbre(ratios=(0.5, 1.0, 1.55), decay_seconds=0.09, decay_slope=0.6, softness_hz=350.0, click=0.0),
}

SURFACES = {"bounce": ((75, 0.12), (118, 0.1)), "knock": ((165, 0.2), (272, 0.16)), "stairs": (), "swing": ()}
"""Faint resonance of the struck surface: modes (hertz, T60 seconds) of the floor and of the walls."""


def render_sound(log: ClipLog, sample_rate_hz: int) -> np.ndarray:
    """float32 S in [-1, 1]: the onset of each impact is at its time, to the sample."""
    rng = np.random.default_rng([log.render_seed, 3])
    num_samples = round(log.duration_seconds * sample_rate_hz)
    sound = np.zeros(num_samples, dtype=np.float32)
    modes, strengths = _object_modes(log, sample_rate_hz, rng)
    for event in log.events:
        hit = (strengths * rng.uniform(0.9, 1.1, len(strengths))).astype(np.float32) @ modes
        start = int(np.ceil(event.seconds * sample_rate_hz))
        length = min(len(hit), num_samples - start)
        sound[start : start + length] += event.loudness * hit[:length]
    sound *= PEAK / np.abs(sound).max()
    if log.facts.ambience != "none":
        around = AMBIENCE[log.facts.ambience](num_samples, sample_rate_hz, rng).astype(np.float32)
        sound += PEAK * 10 ** (AMBIENCE_DB / 20) / np.abs(around).max() * around
    return sound.clip(-1, 1)


def _object_modes(log: ClipLog, sample_rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """M L decaying modes of the object and of the struck surface, and their M strengths; the last is a noise click."""
    timbre = TIMBRES[log.facts.material]
    ratios = np.array(timbre.ratios)
    jitter = np.concatenate([[1.0], rng.uniform(0.95, 1.05, len(ratios) - 1)])
    hertz = PITCH_HZ[log.facts.size] * log.pitch * ratios * jitter
    decay = timbre.decay_seconds * rng.uniform(0.9, 1.1) / (1 + timbre.decay_slope * (ratios - ratios[0]))
    strengths = np.exp(-hertz / (timbre.softness_hz * HARDNESS[log.facts.tempo])) * rng.uniform(0.9, 1.1, len(ratios))
    strengths /= strengths.sum()
    surface = np.array(SURFACES[log.facts.motion]).reshape(-1, 2)
    hertz, decay = np.concatenate([hertz, surface[:, 0]]), np.concatenate([decay, surface[:, 1]])
    strengths = np.concatenate([strengths, np.full(len(surface), 0.2)])
    kept = hertz < 0.45 * sample_rate_hz
    modes = _ringing(hertz[kept], decay[kept], sample_rate_hz)
    click = _click(log.facts.motion, modes.shape[1], sample_rate_hz, rng)
    share = np.array([timbre.click if log.facts.motion != "stairs" else 0.35])
    return np.concatenate([modes, click[None]]), np.concatenate([strengths[kept], 0.5 * share])


def _ringing(hertz: np.ndarray, decay_seconds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """float32 M L: cos(2 pi f t) * 10^(-3 t / T60), with an attack of half a millisecond against clicks."""
    seconds = np.arange(int(max(1.1 * decay_seconds.max(), 0.3) * sample_rate_hz), dtype=np.float32) / sample_rate_hz
    fading = 10 ** (-3 * seconds[None] / decay_seconds[:, None].astype(np.float32))
    ringing = np.cos(2 * np.pi * hertz[:, None].astype(np.float32) * seconds[None]) * fading
    return ringing * np.minimum(1, 0.3 + seconds / 0.0005)


def _click(motion: str, length: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of the contact: a tick, or the longer scrape of a landing on a step."""
    fade_seconds = 0.05 if motion == "stairs" else 0.004
    seconds = np.arange(length, dtype=np.float32) / sample_rate_hz
    return rng.standard_normal(length, dtype=np.float32) * 0.4 * np.exp(-seconds / fade_seconds)


def _bird(num_samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Groups of short falling or rising whistles, 2.6 to 4.6 kHz."""
    sound = np.zeros(num_samples)
    seconds = np.arange(int(0.09 * sample_rate_hz)) / sample_rate_hz
    for begin in np.arange(rng.uniform(0.05, 0.3), 2.6, rng.uniform(0.55, 0.75)):
        low, glide = rng.uniform(2800, 3400), rng.uniform(0.6, 1.0) * 13_000
        whistle = (
            np.sin(2 * np.pi * (low * seconds + glide / 2 * seconds**2)) * np.sin(np.pi * seconds / seconds[-1]) ** 2
        )
        for repeat in range(3):
            start = int((begin + 0.12 * repeat) * sample_rate_hz)
            stop = min(start + len(whistle), num_samples)
            sound[start:stop] += whistle[: stop - start]
    return sound


def _hum(num_samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A steady drone of a low note and its overtones."""
    seconds = np.arange(num_samples, dtype=np.float32) / sample_rate_hz
    lowest = rng.uniform(56, 64)
    return sum(
        np.cos(2 * np.pi * lowest * overtone * seconds + rng.uniform(0, 6)) / overtone for overtone in (1, 2, 3, 4)
    )


def _rain(num_samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A hiss with single drops in it."""
    noise = rng.standard_normal(num_samples + 1, dtype=np.float32)
    hiss = np.diff(noise)
    drops = np.zeros(num_samples, dtype=np.float32)
    drops[rng.integers(0, num_samples, 60)] = rng.uniform(2, 5, 60)
    patter = np.exp(-np.arange(int(0.004 * sample_rate_hz)) / (0.001 * sample_rate_hz))
    return hiss + np.convolve(drops, patter, mode="same") * hiss


AMBIENCE = {"bird": _bird, "hum": _hum, "rain": _rain}
