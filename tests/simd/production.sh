#!/bin/bash
# Nothing that a production program is linked from knows how to talk to simulated hardware: no
# symbol, no string. usage: production.sh SIMULATED-OBJECT FILE...
set -u
checks=0 failures=0
words='PLEIAD_SIM|simd|pl_sim_|pl_tee_sim|pleiad simulated'
ok() {
    checks=$((checks + 1))
    if [ "$1" = 0 ]; then echo "ok $checks - $2"; else echo "not ok $checks - $2"; failures=$((failures + 1)); fi
}
traces() { { strings -a "$1" && nm "$1" 2> /dev/null; } | grep -E -m 3 "$words"; }

# The check itself: it must see the simulation where it is.
traces "$1" > /dev/null
ok $? "${1##*/} talks to simulated hardware, and it shows"
shift
for file in "$@"; do
    found=$(traces "$file")
    [ -z "$found" ] || echo "# $found"
    [ -z "$found" ]
    ok $? "${file##*/} does not"
done
echo "1..$checks"
[ $failures = 0 ]
