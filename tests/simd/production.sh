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
# Static libraries here are thin: their members are files of their own.
members() { case $1 in *.a) ar tP "$1" ;; *) echo "$1" ;; esac; }
traces() {
    members "$1" | while IFS= read -r file; do strings -a "$file" && nm "$file"; done 2> /dev/null |
        grep -E "$words"
}

# Nothing found in nothing would prove nothing.
readable() { [ "$(members "$1" | while IFS= read -r file; do nm -a "$file" || nm -D "$file"; done 2> /dev/null | wc -l)" -gt 0 ]; }

# The check itself: it must see the simulation where it is, a string of it too.
traces "$1" > "${TMPDIR:-/tmp}/production.$$" && grep -q '^PLEIAD_SIM_FD$' "${TMPDIR:-/tmp}/production.$$"
ok $? "${1##*/} talks to simulated hardware, and it shows"
rm -f "${TMPDIR:-/tmp}/production.$$"
shift
for file in "$@"; do
    found=$(traces "$file")
    [ -z "$found" ] || echo "# $found"
    [ -z "$found" ] && readable "$file"
    ok $? "${file##*/} does not"
done
echo "1..$checks"
[ $failures = 0 ]
