#!/usr/bin/env bash
# What tests use of the system where it is there: without it they are skipped and say so.
# podman and busybox-static: images of one's own; passt: jobs that reach other machines directly.
set -euo pipefail
missing=()
for each in podman:podman runc:runc netavark:netavark busybox:busybox-static pasta:passt; do
  PATH="$PATH:/usr/sbin:/usr/lib/podman" command -v "${each%%:*}" >/dev/null || missing+=("${each##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "== not here, so that some tests will be skipped: ${missing[*]}"
  exit 0
fi
echo "== installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
{ apt-get -qq update && apt-get -qq install --yes --no-install-recommends "${missing[@]}"; } >/dev/null \
  || echo "== that failed: some tests will be skipped"
