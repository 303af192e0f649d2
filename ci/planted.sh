#!/usr/bin/env bash
# Planted violations: every rule and every attack test must be seen to fail.
#
#     ci/planted.sh [--long] [--list] [NAME...]
#
# Each row of ci/planted/INDEX.tsv is
#
#     name.patch <TAB> command <TAB> extended regex <TAB> tier (check or long)
#
# Without names those of the tier check are tried, with --long those of the other.
#
# The patch (patch -p1, no fuzz) goes onto a copy of the tree in build/planted/tree that has its own
# meson build folder `build`; there the command must fail, and what it prints, together with meson's
# test log, must match the regex. The same command must pass in the copy without the patch: a check
# that always fails proves as little as one that never does.
# One copy serves all rows: git puts it back after each, and ninja builds what changed.
set -u
cd "$(dirname "$0")/.." || exit 1
index=$PWD/ci/planted/INDEX.tsv
home=$PWD/build/planted
tree=$home/tree
out=$home/output
limit=${PL_PLANTED_LIMIT:-300} # seconds for one command

tiers=check list='' names=''
for arg in "$@"; do
    case $arg in
    --long) tiers=long ;;
    --list) list=1 ;;
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
    *) names+=" ${arg%.patch} " ;;
    esac
done

# The rows asked for: all of the tiers, or the named ones whatever their tier.
rows() {
    local patch command regex tier
    while IFS=$'\t' read -r patch command regex tier; do
        [[ -z $patch || $patch == \#* ]] && continue
        if [[ -n $names ]]; then
            [[ $names == *" ${patch%.patch} "* ]] || continue
        else
            [[ " $tiers " == *" $tier "* ]] || continue
        fi
        printf '%s\t%s\t%s\n' "${patch%.patch}" "$command" "$regex"
    done <"$index"
}

# What is wrong with the index itself, a line each.
index_errors() {
    awk -F'\t' '!/^(#|$)/ && (NF != 4 || $1 !~ /\.patch$/ || $2 == "" || $3 == "" ||
        $4 !~ /^(check|long)$/) { print "INDEX.tsv:" NR ": not a row of four columns: " $0 }
        !/^(#|$)/ && seen[$1]++ { print "INDEX.tsv:" NR ": listed twice: " $1 }' "$index"
    local file
    for file in ci/planted/*.patch; do
        [[ -e $file ]] || continue
        cut -f1 "$index" | grep -qxF "${file##*/}" || echo "$file: not in INDEX.tsv"
    done
}

# The copy is a repository of its own, filled from the files here that git would track. Git rewrites
# only what differs, so every change is newer than the objects made from what was there before.
prepare() {
    mkdir -p "$tree" && git_copy init -q "$tree" || return 1
    git_copy --git-dir="$tree/.git" --work-tree="$PWD" add -A &&
        git_copy --git-dir="$tree/.git" --work-tree="$PWD" commit -q --allow-empty -m tree || return 1
    git_copy -C "$tree" update-index -q --refresh >/dev/null
    restore || return 1
    # At -O1, the least at which every warning is seen; building is most of the time here.
    [[ -e $tree/build/build.ninja ]] ||
        (cd "$tree" && CC=gcc meson setup build -Doptimization=1 -Ddebug=false) >"$out" 2>&1
}

git_copy() { git -c user.name=check -c user.email=check@localhost "$@"; }

restore() { git -C "$tree" reset -q --hard && git -C "$tree" clean -fdq; }

# Runs a command in the copy. Output goes to $out, with meson's log when the command wrote one.
run() {
    local log=$tree/build/meson-logs/testlog.txt status
    rm -f "$log"
    (cd "$tree" && exec timeout -k 10 "$limit" bash -c "$1") >"$out" 2>&1 </dev/null
    status=$?
    [[ -e $log ]] && cat "$log" >>"$out"
    return $status
}

# Sets $why when the planted violation was not caught for its reason.
declare -A clean
try() {
    local name=$1 command=$2 regex=$3 status
    why=''
    if [[ -z ${clean[$command]-} ]]; then
        run "$command" && clean[$command]=passes || clean[$command]=fails
    else
        rm -f "$out"
    fi
    [[ ${clean[$command]} == passes ]] || { why="without the patch too this fails: $command"; return; }
    patch -d "$tree" -p1 --fuzz=0 -s -N --no-backup-if-mismatch -r - <"ci/planted/$name.patch" \
        >"$out" 2>&1 || { why='the patch does not apply'; return; }
    run "$command"
    status=$?
    if [[ $status == 0 ]]; then
        why="not caught: this passes: $command"
    elif [[ $status == 124 || $status == 137 ]]; then
        why="no answer after $limit s: $command"
    elif ! grep -qE -- "$regex" "$out"; then
        why="fails for another reason: no line matches /$regex/"
    fi
}

if [[ -n $list ]]; then
    rows | cut -f1
    exit 0
fi
mkdir -p "$home"
exec 9>"$home/lock"
flock 9
count=0 failed=0
verdict() { # name, what is wrong or nothing
    count=$((count + 1))
    [[ -z $2 ]] && echo "ok $count - planted $1" && return
    failed=$((failed + 1))
    echo "# $2"
    [[ -e $out ]] && tail -n 12 "$out" | sed 's/^/#   /'
    echo "not ok $count - planted $1"
}

rm -f "$out"
errors=$(index_errors)
verdict 'index' "${errors//$'\n'/; }"
if ! prepare; then
    verdict 'tree' 'the tree could not be copied and configured'
else
    while IFS=$'\t' read -r name command regex; do
        try "$name" "$command" "$regex" 9>&-
        verdict "$name" "$why"
        restore || exit 1
    done < <(rows)
    for name in $names; do
        rows | cut -f1 | grep -qxF "$name" || { rm -f "$out"; verdict "$name" 'no such row'; }
    done
fi
rm -f "$out"
echo "1..$count"
[[ $failed == 0 ]]
