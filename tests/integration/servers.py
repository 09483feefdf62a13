"""API servers in this process, each as a process of its own would be: with its own store and data directory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sagesmith.services import all_handlers, not_built, observers
from sagesmith.services.audit import AuditTrail
from sagesmith.services.base import Home
from sagesmith.store import Store
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, REGION, client_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerExecutionRole"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/scikit:1"
SPECIFICATION = {"Containers": [{"Image": IMAGE}], "SupportedContentTypes": ["text/csv"]}


class Server:
    """What an API process is made of, without its sockets and its loop."""

    def __init__(self, directory: Path, url: str) -> None:
        home = home_in(directory)
        home.store.close()
        platform = replace(home.platform, database_url=url)
        self.home: Home = replace(home, platform=platform, store=Store.open(url))
        for observer in observers():
            self.home.store.on_change(observer)
        self.dispatcher = _dispatcher(self.home)

    def limited(self, **quotas: int) -> "Server":
        """The same server under quotas."""
        self.home = replace(self.home, platform=replace(self.home.platform, quotas=quotas))
        self.dispatcher = _dispatcher(self.home)
        return self

    def client(self, service: str = "sagemaker", region: str = REGION) -> Any:
        """A boto3 client whose requests end here."""
        return client_for(service, self.dispatcher, region=region)

    def close(self) -> None:
        self.home.store.close()


def _dispatcher(home: Home) -> Dispatcher:
    return Dispatcher(all_handlers(home), not_built(), AuditTrail(home.store))
