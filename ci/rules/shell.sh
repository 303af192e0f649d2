#!/bin/sh
# Shell: shellcheck finds nothing in any script, whatever its name.
cd "$(dirname "$0")/../.." || exit 1
git ls-files -co --exclude-standard | grep -v '^ci/planted/' | while read -r f; do
    [ -f "$f" ] && head -c 100 "$f" | head -n 1 | grep -aqE '^#!.*(sh|bash)$|^# shellcheck shell' && echo "$f"
done | xargs shellcheck && echo 'ok 1 - shellcheck' && exit
echo 'not ok 1 - shellcheck'
exit 1
