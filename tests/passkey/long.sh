#!/usr/bin/env bash
# Passkeys of a real browser, with an authenticator that it plays itself.
set -e
cd "$(dirname "$0")/../.."
ci/meson.py build gcc
JUDGE=$PWD/build/gcc/tests/passkey/judge tests/passkey/browser.py
PLEIAD=$PWD/build/bin/pleiad tests/passkey/approval.py
