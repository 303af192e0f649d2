#!/bin/sh
# Spelling: codespell, with the words that are right here in ci/rules/spelling.txt.
cd "$(dirname "$0")/../.." || exit 1
git ls-files -co --exclude-standard | grep -Ev '^ci/planted/|^tests/.*(corpus|vectors|fixtures)/|^LICENSE$' |
    while read -r f; do [ -e "$f" ] && echo "$f"; done |
    xargs codespell --ignore-words=ci/rules/spelling.txt && echo 'ok 1 - spelling' && exit
echo 'not ok 1 - spelling'
exit 1
