"""What a checkout needs before its settings can be read: a secret key, in `var/env`.

Only the standard library, because it runs before settings do.
"""

import os
import secrets
from pathlib import Path


def prepare() -> Path:
    """Write `VAR_DIR/env` if it is not there. Returns its path. A repeat changes nothing."""
    folder = Path(os.environ.get("VAR_DIR") or Path(__file__).resolve().parent.parent / "var")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "env"
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(
                "# Written by `make demo` for this checkout; the environment goes before it.\n"
                f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
                "HTTPS=false\n"
            )
    return path
