#!/bin/sh
# Writes down, beside itself, which indexes pip takes packages and torch from. The build arguments come as variables:
# if the Dockerfile's command named them, an address and the password in it would be printed while the image is built.
set -eu
cd "$(dirname "$0")"
{
  echo '[global]'
  [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
  [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || echo "extra-index-url = $PIP_EXTRA_INDEX_URL"
} > packages.conf
if [ -n "${TORCH_INDEX_URL:-}" ]; then
  printf '[global]\nindex-url = %s\n' "$TORCH_INDEX_URL" > torch.conf
else
  cp packages.conf torch.conf
fi
