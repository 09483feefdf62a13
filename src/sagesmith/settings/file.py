"""The settings file: which one is read, what stands in it, and where.

The rule for a file with secrets in it is libpq's for private keys
(https://www.postgresql.org/docs/current/libpq-ssl.html): mode 0600 or less, or 0640 or less if root owns it.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sagesmith.settings.table import ALL, BY_KEY, PREFIX, Setting, SettingError

VARIABLE = "SAGESMITH_CONFIG"
"""Names the settings file in place of the default one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was set, by the environment and, beneath it, by the settings file.

    Attributes:
        environ: all variables, those that stand in the file alone among them.
        places: where each setting that is made was made, by variable.
        file: the settings file that was read, if there is one.
    """

    environ: Mapping[str, str]
    places: Mapping[str, str]
    file: Path | None

    @property
    def of_the_file(self) -> dict[str, str]:
        """The variables that the file alone sets."""
        return {name: self.environ[name] for name, place in self.places.items() if place != "environment"}


def load(environ: Mapping[str, str], chosen: Path | None = None) -> Settings:
    """Read the settings file, check all settings, and put the environment over the file.

    A variable that is set, even to nothing, hides what the file says.

    Args:
        environ: the environment.
        chosen: the file that the command line names, which must be there, as that of `SAGESMITH_CONFIG` must.

    Raises:
        SettingError: the file cannot be read or is not to be trusted, or a setting makes no sense.
    """
    named = chosen or (Path(environ[VARIABLE]).expanduser() if environ.get(VARIABLE) else None)
    path = (named or default_file(environ)).absolute()
    text = _read(path, needed=named is not None)
    found = dict(environ)
    places = {name: "environment" for name in ALL if name in environ}
    for setting, value, line in _entries(path, text or ""):
        if setting.name not in environ:
            found[setting.name] = value
            places[setting.name] = f"{path}, line {line}"
    for setting in ALL.values():
        setting.read(found)  # Those of the file have been read, and those of the environment are named by variable.
    return Settings(found, places, path if text is not None else None)


def default_file(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/sagesmith/config.toml`, else `~/.config/sagesmith/config.toml`."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config").expanduser()
    return home / "sagesmith" / "config.toml"


def _read(path: Path, *, needed: bool) -> str | None:
    """The file's text, None if there is none and none is needed."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read()
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        if needed:
            raise SettingError(f"the settings file {path} does not exist.") from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the settings file {path} cannot be read: {error}.") from error
    if stat.S_ISREG(status.st_mode):
        _check_owner(path, status)
    return text


def _check_owner(path: Path, status: os.stat_result) -> None:
    """Whoever writes the file decides what the platform runs as its user."""
    if status.st_uid not in {os.getuid(), 0}:
        raise SettingError(f"the settings file {path} belongs to another user: `chown` it.")
    if status.st_mode & stat.S_IWOTH:
        raise SettingError(f"the settings file {path} can be written by everybody: `chmod o-w {path}`.")


def _check_secrecy(path: Path, setting: Setting[object], line: int) -> None:
    status = path.stat()
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
        raise SettingError(
            f"{path}, line {line}: {setting.key} is a secret, and others may read this file: `chmod 600 {path}`."
        )


def _entries(path: Path, text: str) -> Iterator[tuple[Setting[object], str, int]]:
    """Each setting of the file, its value as a variable's text, and its line."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path} is not TOML: {error}.") from error
    for key, value in values.items():
        line = _line_of(text, key)
        place = f"{path}, line {line}: {key}"
        setting = BY_KEY.get(key)
        if setting is None:
            raise SettingError(f"{place} is no setting{_meant(key)}")
        written = setting.form.text_of(value, path.parent)
        if written is None:
            raise SettingError(f"{place} must be {setting.form.expected}; it is {_toml_type(value)}.")
        try:
            if written:
                setting.form.parse(written)
        except ValueError as error:
            raise SettingError(f"{place}: {error}.") from error
        if setting.is_secret(written):
            _check_secrecy(path, setting, line)
        yield setting, written, line


def _line_of(text: str, key: str) -> int:
    """The line that a key of the top level stands in first, from 1; tomllib does not say."""
    written = rf"""(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')"""
    pattern = re.compile(rf"\s*(?:{written}\s*[=.]|\[+\s*{written}\s*[.\]])")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _meant(key: str) -> str:
    name = key.lower().replace("-", "_").removeprefix(PREFIX.lower())
    close = get_close_matches(name, BY_KEY, 1)
    return f"; did you mean {close[0]}?" if close else "."


def _toml_type(value: object) -> str:
    kinds = {bool: "a boolean", int: "a whole number", float: "a float", str: "a string", list: "an array"}
    return kinds.get(type(value), "a table" if isinstance(value, dict) else "a date or a time")
