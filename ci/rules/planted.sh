#!/bin/sh
# Planted: every planted violation still applies to the code that it breaks. ci/planted.sh sees that each is caught.
cd "$(dirname "$0")/../.." || exit 1
status=0
for p in ci/planted/*.patch; do
    patch -p1 --dry-run --fuzz=0 -s -N -i "$p" >/dev/null 2>&1 && continue
    echo "# $p does not apply any more"
    status=1
done
[ $status = 0 ] || printf 'not '
echo 'ok 1 - planted violations apply'
exit $status
