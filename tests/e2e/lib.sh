# Sourced by every test here: TAP with named checks, a private folder that goes away at the end.
# usage: . "$(dirname "$0")/lib.sh"; PLEIAD is the command under test, from the environment.
set -u
: "${PLEIAD:?the path of the pleiad command}"
work=$(mktemp -d "${TMPDIR:-/tmp}/pleiad-test.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
checks=0 failures=0

# ok NAME COMMAND...: the command must succeed.
ok() {
    name=$1; shift; checks=$((checks + 1))
    if "$@"; then echo "ok $checks - $name"; else echo "not ok $checks - $name"; failures=$((failures + 1)); fi
}

# run WANTED-EXIT COMMAND...: its outputs are then in $work/out and $work/err.
run() {
    want=$1; shift
    "$@" > "$work/out" 2> "$work/err"
    got=$?
    [ "$got" -eq "$want" ] && return 0
    echo "# exit $got, expected $want: $*"; sed 's/^/#   /' "$work/err"
    return 1
}

says() { grep -qE -e "$1" "$work/err" || { echo "# stderr does not say: $1"; sed 's/^/#   /' "$work/err"; return 1; }; }
prints() { grep -qE -e "$1" "$work/out" || { echo "# stdout does not say: $1"; return 1; }; }

finish() {
    echo "1..$checks"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
