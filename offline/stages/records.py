"""What stages make of one recording.

All times count from the first sample of the recording. Only `offline.hearing` puts them on the call
clock, so a recording that is moved there need not be heard again. Records validate what they are
given, because they are read back from JSON.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

# Unknown keys are refused: such a manifest comes from other code than this.
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Decoded:
    """What a file holds, once it was decoded. The samples are not kept; `Take.audio` has them."""

    duration_s: Seconds
    n_channels: Annotated[int, Field(ge=1)]
    # Whether the channels hold different sound, so that each is heard on its own.
    are_channels_apart: bool
    damage: str | None  # what could not be decoded, where and why; None for a file that is whole
    step_s: Annotated[float, Field(gt=0)]  # of the outline
    levels: tuple[str, ...] = field(repr=False)  # outline of each channel, see offline.waveform


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Aligned:
    """Where a recording lies on the call clock."""

    offset_s: Seconds  # call-clock position of the first sample
    # A code: "manifest" where nothing but the recorder's word was there, "timeline" where what live
    # heard said more, "refused" where that was too far away to be believed.
    method: str
    found_s: float | None = None  # how much later than the recorder says, as it seems
    confidence: float | None = None  # of that, in [0.0, 1.0]
    drift_s: float | None = None  # how much later its end lies than its beginning says


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Turn:
    """One voice speaks. Turns of several voices may overlap."""

    voice: str  # a label within this recording, such as "V1"; no identity
    start_s: Seconds
    end_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Diarized:
    """The voices of a recording that holds several people."""

    engine: str  # as reports name it
    turns: tuple[Turn, ...]  # in time order
    # In time order, one voice at a time: whose words are whose.
    exclusive: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class HeardWord:
    """One word, as written, without white space."""

    text: str = field(repr=False)
    start_s: Seconds
    end_s: Seconds
    confidence: float | None  # in [0.0, 1.0]; None = the model gives none


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Piece:
    """A stretch in which somebody speaks without a long pause."""

    start_s: Seconds
    end_s: Seconds
    words: tuple[HeardWord, ...] = field(repr=False)  # in time order
    is_failed: bool = False  # the recogniser failed on it


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Transcribed:
    """The words of one lane of a recording, whoever said them."""

    transcriber: str  # as reports name it
    vad: str  # what told speech from silence
    pieces: tuple[Piece, ...]  # in time order
