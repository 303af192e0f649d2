#!/bin/sh
# Format: clang-format 14 with the committed configuration changes nothing.
cd "$(dirname "$0")/../.." || exit 1
git ls-files -co --exclude-standard '*.c' '*.h' | while read -r f; do [ -e "$f" ] && echo "$f"; done |
    xargs clang-format-14 --dry-run -Werror --style=file && echo 'ok 1 - format' && exit
echo 'not ok 1 - format: run clang-format-14 -i on the files above'
exit 1
