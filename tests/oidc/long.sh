#!/bin/sh
# Tokens of a real OpenID Connect provider, installed from the lock file beside this script.
cd "$(dirname "$0")/../.." || exit 1
ci/meson.py build gcc >/dev/null || exit 1
exec tests/oidc/flow.py "$PWD/build/gcc/tests/oidc/oidc_verify" "$PWD/build/oidc"
