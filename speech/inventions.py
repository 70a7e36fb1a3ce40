"""What Whisper writes where nobody speaks: the closing lines of the videos that it learned from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from speech.recogniser import RecognisedWord

# Nobody says these on a call. Where one is all that was heard in a piece of speech, it was made up.
_NEVER_SAID = (
    r"(thank you|thanks)( so much| very much)?( for|you for) (watching|viewing)( .*)?",
    r"(please )?(like and )?subscribe( to (my|our|the) channel)?( .*)?",
    r"(don t forget to )?(like|subscribe)( share)? and (subscribe|share|comment)( .*)?",
    r"(subtitles?|captions?|transcri(bed|ption|pts?)|translat(ed|ion)) (by|provided by)( .*)?",
    r"(see you|i ll see you) (in the|next) (next )?(video|time)( .*)?",
    r"(.* )?amara org( .*)?",
    r"(foreign|music|applause|laughter|silence|blank audio|inaudible|beep(ing)?|clicking|static)",
)
# People say these all the time, and Whisper writes them into noise, where it is unsure of itself.
_OFTEN_SAID = (
    r"(oh|ah|mm|hmm|uh|um|huh|you|so|bye|bye bye|thank you|thanks|okay|ok|yeah|yes|no|hey|the|i|"
    r"and|a|oh my god|all right|i m sorry|thank you very much)"
)
_UNSURE = 0.45
# Whatever it writes with so little certainty is noise to it.
_HOPELESS = 0.2
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


def is_invented(words: Sequence[RecognisedWord]) -> bool:
    """Whether all that was heard in a piece of speech was made up by the recogniser.

    Args:
        words: Of one piece of speech.
    """
    text = _NOT_A_WORD.sub(" ", " ".join(word.text for word in words).casefold()).strip()
    if not text:
        return True  # dots, notes and the like
    if any(re.fullmatch(pattern, text) for pattern in _NEVER_SAID):
        return True
    certain = [word.confidence for word in words if word.confidence is not None]
    if not certain:
        return False
    mean = sum(certain) / len(certain)
    return mean < _HOPELESS or (mean < _UNSURE and re.fullmatch(_OFTEN_SAID, text) is not None)
