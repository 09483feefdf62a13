"""`sagesmith config`: what was set, and where."""

import argparse
import json
import re

from sagesmith.settings import ALL, Settings

_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def config(options: argparse.Namespace) -> int:
    """Print every setting that the next `up` takes, its value and where it was made; passwords and secrets masked."""
    settings: Settings = options.settings
    shown = [
        {
            "setting": setting.name,
            "key": setting.key,
            "value": _value(settings, name),
            "from": settings.places.get(name),
        }
        for name, setting in ALL.items()
    ]
    if options.json:
        print(json.dumps({"file": str(settings.file) if settings.file else None, "settings": shown}, indent=1))
        return 0
    print(f"settings file: {settings.file or 'none'}")
    width = max(len(name) for name in ALL)
    for name, setting in ALL.items():
        value, place = _value(settings, name), settings.places.get(name, "default")
        print(f"{name:{width}}  {_plain(setting.default) if value is None else value!r}  ({place})")
    return 0


def _value(settings: Settings, name: str) -> str | None:
    text = settings.environ.get(name)
    return ALL[name].masked(text) if text is not None and name in settings.places else None


def _plain(markdown: str) -> str:
    return _LINK.sub(r"\1", markdown).replace("`", "")
