#!/bin/sh
# Resolves the project's own requirements anew. Run it when a dependency changes; commit what it writes.
set -eu
cd "$(dirname "$0")/.."
compile="uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade"
# One version of a package for all Pythons, so that all run what was tested.
compile="$compile --fork-strategy fewest"
$compile requirements/build.in -o requirements/build.txt
$compile pyproject.toml --extra postgres -o requirements/runtime.txt
$compile pyproject.toml --extra postgres --group dev -o requirements/dev.txt
$compile pyproject.toml --group docs -o requirements/docs.txt
for client in sdk-v2 sdk-v3 aws-cli moto ray; do
	$compile "requirements/$client.in" -o "requirements/$client.txt"
done
for peer in bentoml fastapi forecasting litserve mlflow mlserver ray-serve; do
	$compile "requirements/peers/$peer.in" -o "requirements/peers/$peer.txt"
done
