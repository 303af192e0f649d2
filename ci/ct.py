#!/usr/bin/python3
"""Constant time: the tests of suite ct under valgrind, built by gcc and clang at -O2 and -O3.

    ci/ct.py [CONFIG...]    of ct-gcc-O2 ct-gcc-O3 ct-clang-O2 ct-clang-O3; all without names

A build with ct_check marks secrets as undefined memory; memcheck then reports every branch and
every address that depends on one, and the test fails.
"""
import sys
from meson import CONFIGS, test

VALGRIND = 'valgrind -q --error-exitcode=99 --track-origins=yes'

every = [c for c in CONFIGS if c.startswith('ct-')]
wanted = sys.argv[1:] or every
if set(wanted) - set(every):
    sys.exit(__doc__)
sys.exit(not all([test(config, ['ct'], VALGRIND) for config in wanted]))
