#!/bin/sh
# docs_current.sh GENERATOR DOCS [write]: are the documents that are made from tables current?
# `ninja docs` writes them.
generator=$1 docs=$2
echo 1..3
n=0
bad=0
for pair in openapi:openapi.json registry:openapi-registry.json limits:LIMITS.md; do
    n=$((n + 1))
    file=$docs/${pair#*:}
    [ "${3:-}" = write ] && "$generator" "${pair%%:*}" >"$file"
    if "$generator" "${pair%%:*}" | cmp - "$file" >&2; then
        echo "ok $n - ${pair#*:}"
    else
        echo "# run: ninja -C build docs"
        echo "not ok $n - ${pair#*:}"
        bad=1
    fi
done
exit $bad
