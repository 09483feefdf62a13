"""A home for services' tests: a real store and real keys in a temporary directory, and no compute."""

from pathlib import Path
from typing import Any, cast

from sagesmith.config import DataDir, Platform
from sagesmith.credentials import KeyRing
from sagesmith.services.base import Home
from tests.stores import new_store
from tests.unit.wire.clients import ACCOUNT, REGION


def home_in(directory: Path) -> Home:
    """A home whose data directory is `directory`; its store is the caller's to close."""
    layout = DataDir(directory)
    layout.database.parent.mkdir(parents=True, exist_ok=True)
    keyring = KeyRing.create(layout.keys, ACCOUNT, None, None)
    platform = Platform(
        data=str(directory),
        host="127.0.0.1",
        port=9900,
        proxy_port=9901,
        admin_port=9902,
        account_id=ACCOUNT,
        region=REGION,
        database_url=f"sqlite:///{layout.database}",
        s3_endpoint="http://127.0.0.1:9903",
        s3_access_key_id="inner",
        s3_secret_access_key="inner",
        cache=str(directory / "cache"),
        routers=1,
    )
    return Home(platform, new_store(layout.database), cast("Any", None), keyring)
