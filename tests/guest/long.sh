#!/bin/sh
# A machine that opens its disk through the kernel, twice; or once, with 1.
cd "$(dirname "$0")/../.." || exit 1
[ -n "${BUILD-}" ] || ci/meson.py build gcc >/dev/null || exit 1
export BUILD="${BUILD:-$PWD/build/gcc}" PYTHONDONTWRITEBYTECODE=1 # where it is built
exec python3 tests/guest/guest.py "$@"
