#!/usr/bin/env bash
# A format of a container that is killed before each of its changes to a file.
set -e
cd "$(dirname "$0")/../.."
ci/meson.py build gcc
b=$PWD/build/gcc
PLEIAD=$b/tools/pleiad KILL_AT_LIB=$b/tests/e2e/libkill_at.so LIBPLEIAD=$(echo "$b"/client/libpleiad.so.?.?.?) \
    tests/e2e/luks.py all
