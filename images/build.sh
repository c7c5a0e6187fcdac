#!/bin/sh
# Builds the images named as arguments, cpu and cuda, and tags them with the version; images/README.md has the variables.
set -eu
cd "$(dirname "$0")/.."
docker=${DOCKER:-docker}

if ! reason=$($docker version 2>&1 > /dev/null); then
  echo "images: no Docker engine answers to '$docker version': $reason" >&2
  echo "Install one (https://docs.docker.com/engine/install), start it, and let this user talk to it (group docker)," >&2
  echo "or name another client: make images DOCKER=/path/of/docker" >&2
  exit 1
fi
if [ -n "${CERTIFICATES:-}" ] && [ ! -r "$CERTIFICATES" ]; then
  echo "images: CERTIFICATES=$CERTIFICATES cannot be read; give a PEM file with the authorities that your proxy uses" >&2
  exit 1
fi

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' medseg/__init__.py)
revision=$(git rev-parse --verify HEAD 2> /dev/null || echo unknown)
# a file that git does not know yet is in the image as well
sent="components medseg pipelines images pyproject.toml constraints.txt README.md LICENSE"
[ -z "$(git status --porcelain -- $sent 2> /dev/null)" ] || revision="$revision-dirty"
for image in "$@"; do
  tag="medseg:$version"
  [ "$image" = cpu ] || tag="$tag-$image"
  echo "images: building $tag from images/$image/Dockerfile"
  # an argument without a value is taken from the environment, where other users cannot read an index's password
  DOCKER_BUILDKIT=1 $docker build --file "images/$image/Dockerfile" --tag "$tag" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" \
    --build-arg BASE_IMAGE --build-arg PIP_INDEX_URL --build-arg PIP_EXTRA_INDEX_URL --build-arg TORCH_INDEX_URL \
    ${CERTIFICATES:+--secret "id=certificates,src=$CERTIFICATES"} ${DOCKER_BUILD_FLAGS:-} .
done
