"""What a person can see of a text."""

from __future__ import annotations

import re

# White space and what is as invisible: control and format characters, fillers.
_VISIBLE = re.compile(
    r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]"
)


def is_blank(text: str) -> bool:
    """True of a text that shows nothing.

    >>> is_blank(" \\u200b\\u3000"), is_blank("a")
    (True, False)
    """
    return not _VISIBLE.search(text)
