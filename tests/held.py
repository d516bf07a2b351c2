"""A worker that includes this module stands still in the middle of publishing a run.

All its scores are written and nothing is committed. It goes on once HELD_FOLDER has a file `go`.
"""

import os
import time
from pathlib import Path
from typing import Any

from debtreg import frames

_publish_marks = frames.publish_marks


def held(*arguments: Any, **named: Any) -> None:
    folder = Path(os.environ["HELD_FOLDER"])
    (folder / "began").touch()
    deadline = time.monotonic() + 60
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    _publish_marks(*arguments, **named)


frames.publish_marks = held
