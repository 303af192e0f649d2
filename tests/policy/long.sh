#!/bin/sh
# The second evaluator over a million situations.
cd "$(dirname "$0")/../.." || exit 1
ci/meson.py build gcc >/dev/null || exit 1
exec tests/policy/evaluator.py build/gcc/tests/policy/policy_driver 1000000
