#!/bin/sh
# The siege at full size, or the parts that are named.
cd "$(dirname "$0")/../.." || exit 1
b=${BUILD:-$PWD/build/gcc} # where it is built
[ -n "${BUILD-}" ] || ci/meson.py build gcc >/dev/null || exit 1
export PLEIAD="$b/tools/pleiad" SIMD="$b/daemons/simd/pleiad-simd" VAULTD="$b/daemons/vaultd/pleiad-vaultd-sim"
export KIT="$b/tests/e2e/client_kit" PROBE="$b/tests/client/client_probe" SOURCE="$PWD" PYTHONDONTWRITEBYTECODE=1
status=0
export SEARCH="$b/tests/siege/siege_search" TELLING="$b/tests/siege/pleiad-vaultd-telling"
export BENT="$b/tests/siege/pleiad-vaultd-bent"
export FAULTY="$b/tests/siege/pleiad-vaultd-faulty" TELLING_APP="$b/tests/siege/client_telling"
[ $# -gt 0 ] || set -- 'kill.py 500' 'hostile.py --long' app.py 'memory.py 10000 2000 10000' 'faults.py 120' 'damage.py 200 --every'
for run in "$@"; do
    # shellcheck disable=SC2086 # a name and its arguments
    python3 tests/siege/$run || status=1
done
exit $status
