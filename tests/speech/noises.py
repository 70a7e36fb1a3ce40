"""Sounds of a telephone call that are nobody's speech, made from a fixed seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]

_DTMF_HZ = {
    **{key: (697, f) for key, f in zip("123", (1209, 1336, 1477), strict=True)},
    **{key: (770, f) for key, f in zip("456", (1209, 1336, 1477), strict=True)},
    **{key: (852, f) for key, f in zip("789", (1209, 1336, 1477), strict=True)},
    "0": (941, 1336),
}


def silence(duration_s: float) -> Sound:
    """Nothing at all."""
    return np.zeros(int(duration_s * SAMPLE_RATE_HZ), dtype=np.float32)


def white(duration_s: float, seed: int = 1) -> Sound:
    """Hiss, RMS 1."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, int(duration_s * SAMPLE_RATE_HZ)).astype(np.float32)


def coloured(duration_s: float, exponent: float, seed: int = 2) -> Sound:
    """Noise whose power falls by frequency to the exponent (1 = pink, 2 = brown), RMS 1."""
    spectrum = np.fft.rfft(white(duration_s, seed))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (exponent / 2)
    sound = np.fft.irfft(spectrum)
    return (sound / np.sqrt(np.mean(sound**2))).astype(np.float32)


def tones(duration_s: float, *frequencies_hz: float) -> Sound:
    """Sines together, RMS about 1."""
    at_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = sum(np.sin(2 * np.pi * f * at_s) for f in frequencies_hz)
    return (np.asarray(sound) * np.sqrt(2 / len(frequencies_hz))).astype(np.float32)


def on_and_off(sound: Sound, on_s: float, off_s: float) -> Sound:
    """The sound, cut into beats."""
    at_s = np.arange(len(sound)) / SAMPLE_RATE_HZ
    return np.where(at_s % (on_s + off_s) < on_s, sound, 0).astype(np.float32)


def hum(duration_s: float) -> Sound:
    """Mains hum with its harmonics."""
    return tones(duration_s, 50, 100, 150, 250)


def ringback(duration_s: float) -> Sound:
    """What a caller hears while it rings, in North America."""
    return on_and_off(tones(duration_s, 440, 480), 2.0, 4.0)


def dtmf(duration_s: float) -> Sound:
    """Keys that are pressed one after the other."""
    keys = "4539148803436467"
    pressed = [np.concatenate((tones(0.12, *_DTMF_HZ[key]), silence(0.1))) for key in keys]
    once = np.concatenate((*pressed, silence(1.0)))
    n_samples = int(duration_s * SAMPLE_RATE_HZ)
    return np.resize(once, n_samples).astype(np.float32)


def clicks(duration_s: float) -> Sound:
    """Keys of a keyboard: short bursts at uneven times."""
    rng = np.random.default_rng(5)
    sound = silence(duration_s)
    burst = white(0.012, 6) * np.exp(-np.linspace(0, 6, int(0.012 * SAMPLE_RATE_HZ)))
    position = 0.0
    while position < duration_s - 0.1:
        start = int(position * SAMPLE_RATE_HZ)
        sound[start : start + len(burst)] += 4 * burst.astype(np.float32)
        position += rng.uniform(0.05, 0.6)
    return sound


def breath(duration_s: float) -> Sound:
    """Breathing into a microphone: band noise that swells and falls every four seconds."""
    at_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    spectrum = np.fft.rfft(white(duration_s, 7))
    at_hz = np.fft.rfftfreq(len(at_s), 1 / SAMPLE_RATE_HZ)
    spectrum *= np.exp(-(((at_hz - 900) / 700) ** 2))
    sound = np.fft.irfft(spectrum, len(at_s)) * np.clip(np.sin(2 * np.pi * at_s / 4), 0, None)
    return (sound / np.sqrt(np.mean(sound**2))).astype(np.float32)


def melody(duration_s: float) -> Sound:
    """Music on hold: plucked chords with overtones."""
    n_beat = int(0.4 * SAMPLE_RATE_HZ)
    at_s = np.arange(n_beat) / SAMPLE_RATE_HZ
    beats = []
    for root_hz in (262.0, 330.0, 392.0, 523.0, 440.0, 349.0, 294.0, 392.0):
        chord = sum(
            np.sin(2 * np.pi * root_hz * ratio * overtone * at_s) / overtone
            for ratio in (1.0, 1.25, 1.5)
            for overtone in (1, 2, 3, 4)
        )
        beats.append(np.asarray(chord) * np.exp(-3 * at_s))
    return np.resize(np.concatenate(beats), int(duration_s * SAMPLE_RATE_HZ)).astype(np.float32) / 2


NOISES: dict[str, Callable[[float], Sound]] = {
    "silence": silence,
    "white": white,
    "pink": lambda duration_s: coloured(duration_s, 1),
    "brown": lambda duration_s: coloured(duration_s, 2),
    "hum": hum,
    "tone": lambda duration_s: tones(duration_s, 1000),
    "busy": lambda duration_s: on_and_off(tones(duration_s, 480, 620), 0.5, 0.5),
    "ringback": ringback,
    "dtmf": dtmf,
    "clicks": clicks,
    "breath": breath,
    "melody": melody,
}
LEVELS_RMS = (0.002, 0.02, 0.1, 0.3)
