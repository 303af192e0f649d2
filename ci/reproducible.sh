#!/usr/bin/env bash
# Reproducible: a copy of the tree, built in another folder, gives the same bytes in every program,
# library and object as build/gcc. Not in tests: those know the folder where their vectors lie.
set -eu
cd "$(dirname "$0")/.."
copy=$PWD/build/reproducible/a/rather/different/place
rm -rf build/reproducible
mkdir -p "$copy"
trap 'rm -rf build/reproducible' EXIT
git ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do [[ -e $f ]] && printf '%s\0' "$f"; done |
    tar -c --null -T - | tar -x -C "$copy"
ci/meson.py build gcc
"$copy/ci/meson.py" build gcc

count=0 failed=0
while IFS= read -r file; do
    count=$((count + 1))
    if ! cmp "build/gcc/$file" "$copy/build/gcc/$file"; then
        failed=$((failed + 1))
    fi
done < <(cd build/gcc && find . -type f \( -name '*.o' -o -name '*.so*' -o -perm -u+x \) -not -path './meson-*' -not -path './tests/*' | sort)
if [[ $count == 0 || $failed != 0 ]]; then
    echo "not ok - $failed of $count files differ between two builds"
    exit 1
fi
echo "ok - $count files are the same in two builds"
