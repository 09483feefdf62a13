"""Scalars on the wire: timestamps in their three forms, text in XML."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from xml.sax.saxutils import escape

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse_timestamp(text: str) -> float:
    """Seconds since the epoch, from ISO 8601, an HTTP date or a number. A time without a zone is UTC.

    Raises:
        ValueError: it is none of them.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_timestamp(seconds: float, style: str) -> str | float:
    """A timestamp in one of the models' styles: `unixTimestamp`, `iso8601`, `rfc822`. Resolution: a millisecond."""
    if style == "unixTimestamp":
        return round(seconds, 3)
    moment = datetime.fromtimestamp(seconds, UTC)
    if style == "rfc822":
        return format_datetime(moment, usegmt=True)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


def xml_text(text: str) -> str:
    """Text as XML content; characters that XML cannot hold become U+FFFD."""
    return escape(_NOT_XML.sub("�", text), {"\r": "&#xD;"})
