"""Typed reading of the environment. Every wrong value is named, all of them at once."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import environ
from django.core.exceptions import ImproperlyConfigured

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


class Env(environ.FileAwareEnv):
    """`NAME` from the environment, or from the file that `NAME_FILE` names.

    A wrong value is noted and its default goes on, so that `stop_if_wrong` can name all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        # Every variable that was asked for, with its default: what .env.example must describe.
        self.defaults: dict[str, object] = {}

    def text(
        self, name: str, default: str | None = None, *, pattern: str = "", needs: str = ""
    ) -> str:
        """A string; without a default it must be there and not be empty."""
        value = self._raw(name, default)
        if value is None:
            if default is None:
                self.wrong(name, f"is missing: it needs {needs or 'a value'}")
            return default or ""
        if not re.fullmatch(pattern or r"(?s).*", value):
            self.wrong(name, f"is {value!r}: it needs {needs}")
        return value

    def secret(self, name: str, default: str | None = None, *, least: int) -> str:
        """A string of `least` characters or more, whose value is never shown."""
        value = self._raw(name, default)
        if value is None:
            if default is None:
                self.wrong(name, f"is missing: it needs {least} random characters or more")
            return default or ""
        if len(value) < least:
            self.wrong(name, f"has {len(value)} characters: it needs {least} or more")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self._raw(name, default)
        if value is None:
            return default
        if not re.fullmatch(r"\d{1,18}", value) or not least <= int(value) <= most:
            self.wrong(name, f"is {value!r}: it needs a whole number from {least} to {most}")
            return default
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        """true or false. A misspelt word is an error, not false."""
        value = self._raw(name, default)
        if value is None:
            return default
        if value.lower() not in YES | NO:
            self.wrong(name, f"is {value!r}: it needs true or false")
        return value.lower() in YES

    def words(self, name: str, default: list[str]) -> list[str]:
        """Words between commas."""
        value = self._raw(name, default)
        if value is None:
            return default
        return [word.strip() for word in value.split(",") if word.strip()]

    def secrets(self, name: str, *, least: int) -> list[str]:
        """Strings of `least` characters or more between commas, whose values are never shown."""
        values = self.words(name, [])
        for value in values:
            if len(value) < least:
                self.wrong(name, f"has one of {len(value)} characters: it needs {least} or more")
        return values

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's description of a database, from its URL: sqlite or postgres."""
        try:
            found = self.db_url_config(self._raw(name, default) or default)
        except (ValueError, ImproperlyConfigured):
            found = {}
        known = found.get("ENGINE", "").rpartition(".")[2] in ("sqlite3", "postgresql")
        if not known or not found.get("NAME"):
            # Not shown: the URL holds a password.
            self.wrong(name, "is not a URL of sqlite:///FILE or postgres://USER:PASSWORD@HOST/NAME")
            return self.db_url_config(default)
        # A socket's folder, as libpq spells it: postgres://USER@/NAME?host=/run/postgresql
        found["HOST"] = found.get("OPTIONS", {}).pop("host", found["HOST"])
        return found

    def folder(self, name: str, default: Path) -> Path:
        """A folder that can be written; made if it is not there."""
        path = Path(self._raw(name, default) or default).absolute()
        self.make(name, path)
        return path

    def make(self, name: str, folder: Path) -> None:
        """Make a folder that the setting `name` asks for."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.wrong(name, f"needs the folder '{folder}', which cannot be made: {error.strerror}")

    def check(self, name: str, value: object, ok: Callable[[], object], needs: str) -> None:
        """Note a problem unless `ok()` is true and raises nothing."""
        try:
            if ok():
                return
        except (ValueError, LookupError, OSError):
            pass
        self.wrong(name, f"is {value!r}: it needs {needs}")

    def wrong(self, name: str, problem: str) -> None:
        self.problems.append(f"{name} {problem}.")

    def stop_if_wrong(self) -> None:
        """End the process with status 2 and one line for each problem."""
        if self.problems:
            self._stop()

    def _stop(self) -> NoReturn:
        for problem in self.problems:
            print(f"debtreg cannot start: {problem}", file=sys.stderr)
        print("Every setting is described in .env.example.", file=sys.stderr)
        raise SystemExit(2)

    def _raw(self, name: str, default: object) -> str | None:
        """The value without the blanks around it; None where there is none or an empty one."""
        self.defaults[name] = default
        try:
            return self.ENVIRON[name].strip() or None
        except KeyError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(f"{name}_FILE", f"names a file that cannot be read: {error}")
            return None
