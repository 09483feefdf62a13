"""Filter patterns for unstructured events.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable

from sagesmith.wire.errors import AwsError

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)')
_UNSUPPORTED = {"{": "JSON", "[": "Space-delimited", "%": "Regular expression"}


def compile_pattern(pattern: str) -> Callable[[str], bool] | None:
    """What decides whether a message matches; None if every message does.

    Terms are words, case sensitive, all of which must be there; `-word` must not; of `?word`s one must, but they are
    ignored among other terms. What holds other characters than letters and digits stands in double quotes.

    Raises:
        AwsError: InvalidParameterException, for JSON, space-delimited and regular expression patterns too, which are
            not supported.
    """
    text = pattern.strip()
    if not text:
        return None
    if text[0] in _UNSUPPORTED:
        raise AwsError(
            "InvalidParameterException",
            f"Invalid filter pattern: {_UNSUPPORTED[text[0]]} patterns are not supported, only terms are.",
        )
    wanted: dict[str, list[re.Pattern[str]]] = {"": [], "-": [], "?": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise AwsError("InvalidParameterException", "Invalid filter pattern: a quotation mark is not closed.")
        sign, phrase, word = found.groups()
        term = re.sub(r"\\(.)", r"\1", phrase) if phrase is not None else word
        if re.search(r"\w", term) is None and phrase is None:
            raise AwsError("InvalidParameterException", f"Invalid filter pattern: '{term}' must be in quotation marks.")
        wanted[sign].append(_as_words(term))
        at = found.end()
    every, none, some = wanted[""], wanted["-"], wanted["?"]
    if every or none:
        some = []

    def matches(message: str) -> bool:
        return (
            all(term.search(message) for term in every)
            and not any(term.search(message) for term in none)
            and (not some or any(term.search(message) for term in some))
        )

    return matches


def _as_words(term: str) -> re.Pattern[str]:
    """`term` as it stands between the ends of words."""
    before = r"(?<!\w)" if term[:1].isalnum() else ""
    after = r"(?!\w)" if term[-1:].isalnum() else ""
    return re.compile(before + re.escape(term) + after)
