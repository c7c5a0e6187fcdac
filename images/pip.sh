#!/bin/sh
# pip as the Dockerfiles call it: with the indexes and certificates of this build, and with the exact versions of
# constraints.txt, also for what source packages are built with. Usage: pip.sh INDEXES ARGUMENT...
set -eu
export PIP_CONFIG_FILE="/build/pip/$1.conf"
export PIP_CONSTRAINT=/build/constraints.txt PIP_BUILD_CONSTRAINT=/build/constraints.txt
export PIP_CACHE_DIR=/build/cache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
if [ -s /run/secrets/certificates ]; then export PIP_CERT=/run/secrets/certificates; fi
shift
exec /build/pip/bin/python -m pip "$@"
