#!/usr/bin/env bash
# The demo as a test: it ends well, twice in a row, and leaves nothing beside its build.
cd "$(dirname "$0")/.." || exit 1
before=$(git status --porcelain)
failed=0
for n in 1 2; do
    if ./demo; then echo "ok $n - the demo, run $n"; else echo "not ok $n - the demo, run $n"; failed=1; fi
done
if [[ $(git status --porcelain) == "$before" ]]; then
    echo 'ok 3 - nothing is left in the tree'
else
    echo 'not ok 3 - nothing is left in the tree'
    failed=1
fi
echo 1..3
exit "$failed"
