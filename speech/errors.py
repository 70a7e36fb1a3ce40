"""Errors of sound and models.

SpeechError
├── AudioError           a file that holds no sound that can be decoded (exit 2)
├── SampleRateError      samples at another rate than asked for (exit 2)
├── UnknownModelError    a name that is no model's and no path's (exit 2)
├── EngineMissingError   an engine that is not installed (exit 3)
│   └── DeviceMissingError   a device that is not there (exit 3)
├── ModelMissingError    weights that are nowhere to be found (exit 3)
├── ModelHashError       weights that are not the pinned ones (exit 2)
├── SpoolError           decoded sound for which there is no room (exit 3)
├── ModelStoreError      weights that cannot be written to the models folder (exit 3)
└── RecogniserError      a recogniser that failed on a piece of speech
"""

from __future__ import annotations

from typing import ClassVar


class SpeechError(Exception):
    """Base of everything that `speech` raises on purpose."""

    exit_code: ClassVar[int] = 2


class AudioError(SpeechError):
    """A file that cannot be decoded; the message names it."""


class SampleRateError(SpeechError, ValueError):
    """Samples at a rate that a model does not take."""


class UnknownModelError(SpeechError):
    """A model was named that there is not."""


class EngineMissingError(SpeechError):
    """What runs a model is not on this machine: a package of an extra, or a GPU."""

    exit_code = 3


class DeviceMissingError(EngineMissingError):
    """A GPU was asked for, and there is none."""


class ModelMissingError(SpeechError):
    """Weights that are neither in the models folder nor in a package nor to be had from the hub."""

    exit_code = 3


class ModelHashError(SpeechError):
    """Weights whose sha256 is not the pinned one. They are not loaded."""


class SpoolError(SpeechError):
    """The folder for temporary files has no room for the sound of a long recording."""

    exit_code = 3


class ModelStoreError(SpeechError):
    """The models folder cannot be written."""

    exit_code = 3


class RecogniserError(SpeechError):
    """A recogniser failed. The message never holds what was said."""
