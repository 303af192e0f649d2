#!/bin/sh
# Twelve vaults, and vaults in networks with distance between them; or the parts that are named.
cd "$(dirname "$0")/../.." || exit 1
b=${BUILD:-$PWD/build/gcc} # where it is built
[ -n "${BUILD-}" ] || ci/meson.py build gcc >/dev/null || exit 1
export PROBE="$b/tests/client/client_probe" PLEIAD="$b/tools/pleiad" SIMD="$b/daemons/simd/pleiad-simd"
export VAULTD="$b/daemons/vaultd/pleiad-vaultd-sim" SOURCE="$PWD" PYTHONDONTWRITEBYTECODE=1
status=0
[ $# -gt 0 ] || set -- place.py distance.py
for run in "$@"; do
    python3 "tests/scale/$run" || status=1
done
exit $status
