"""A data set that boto3 brings: what AWS's services say of their operations, about a million words of English."""

import gzip
import html
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_LEAST_WORDS = 20
_TAG = re.compile(r"<[^>]+>")


@cache
def texts() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Services and the words of their operations' documentation, to learn from and to measure with."""
    found = sorted(_operations())
    random.Random(0).shuffle(found)
    cut = len(found) * 4 // 5
    return found[:cut], found[cut:]


def _operations() -> Iterator[tuple[str, str]]:
    """Each text once, of the service that comes first."""
    import botocore

    seen = set()
    for path in sorted((Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz")):
        model = json.loads(gzip.decompress(path.read_bytes()))
        for operation in model["operations"].values():
            plain = html.unescape(_TAG.sub(" ", operation.get("documentation", ""))).lower()
            words = re.findall(r"[a-z]+", plain)
            text = " ".join(words)
            if len(words) >= _LEAST_WORDS and text not in seen:
                seen.add(text)
                yield path.parent.parent.name, text
