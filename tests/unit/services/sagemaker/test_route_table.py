"""The API process's side of the routing table."""

from pathlib import Path

import pytest

from sagesmith.routes import EndpointRoute, VariantRoute, read_routes
from sagesmith.services.sagemaker.route_table import RouteTable


@pytest.mark.parametrize("change", ["put", "remove"])
def test_what_could_not_be_written_is_written_at_the_next_call(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    table = RouteTable(folder / "routes.json")
    route = EndpointRoute("Ep", "InService")

    def take() -> None:
        table.put("us-east-1", route) if change == "put" else table.remove("us-east-1", "Ep")

    if change == "remove":
        table.put("us-east-1", route)
    folder.rename(tmp_path / "away")
    with pytest.raises(OSError):
        take()
    (tmp_path / "away").rename(folder)
    take()
    assert read_routes(folder / "routes.json")["us-east-1"] == ({"ep": route} if change == "put" else {})


def test_the_table_has_all_endpoints_that_there_are_as_soon_as_there_is_a_table(tmp_path: Path) -> None:
    """Routers take one that is not in it as deleted."""
    table = RouteTable(tmp_path / "routes.json")
    known, new = EndpointRoute("Known", "InService", [VariantRoute("v", 1, ["unix:a"])]), EndpointRoute("New", "Failed")
    table.put("us-east-1", known)
    table.put("us-east-1", EndpointRoute("Gone", "InService"))
    table.keep([("us-east-1", EndpointRoute("Known", "InService")), ("eu-west-1", new)])
    assert read_routes(tmp_path / "routes.json") == {"us-east-1": {"known": known}, "eu-west-1": {"new": new}}
