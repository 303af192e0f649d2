#!/usr/bin/python3
"""Layers: who may include whom, read from the include lines.

base <- crypto, api <- shamir, attest, key <- policy, ledger <- vault <- daemons. Only a folder's
public header, named after the folder, may be included from outside; base offers all of its headers.
"""
import os
import re
from rule import Exceptions, Tap, files, text

BASE = {'base'}
LEVEL2 = BASE | {'crypto', 'api'}
LEVEL3 = LEVEL2 | {'shamir', 'attest', 'key'}
LEVEL4 = LEVEL3 | {'policy', 'ledger'}
CORE = LEVEL4 | {'vault'}
CLIENT = LEVEL2 | {'shamir', 'attest', 'policy', 'ledger', 'include'}

SEES = {
    'base': set(), 'crypto': BASE, 'api': BASE,
    'shamir': LEVEL2, 'attest': LEVEL2, 'key': LEVEL2,
    'policy': LEVEL3, 'ledger': LEVEL3, 'vault': LEVEL4,
    'platform': LEVEL2 | {'attest', 'ledger'},
    'daemons/common': BASE | {'platform'},
    'daemons/vaultd': CORE | {'platform', 'daemons/common'},
    'daemons/registryd': CORE | {'platform', 'daemons/common'},
    'daemons/simd': CORE | {'platform'},
    'client': CLIENT | {'platform'},
    'tools': CLIENT | {'client', 'platform', 'integrations'},
    'include': set(),
    'integrations': BASE | {'crypto', 'platform', 'include'},
    'examples': {'include', 'integrations'},
    'tests': None,  # everything
    'bench': None,
}

# Core is pure: of the C library it sees bytes, numbers and memory.
CORE_HEADERS = {'inttypes.h', 'limits.h', 'stdalign.h', 'stdarg.h', 'stdbool.h', 'stddef.h',
                'stdint.h', 'stdlib.h', 'string.h'}
CPU_HEADERS = {'immintrin.h', 'cpuid.h'}
CRYPTO = re.compile(r'openssl/|sodium|secp256k1|gcrypt|nettle/|mbedtls/|gnutls/')
TLS_HEADERS = re.compile(r'openssl/(ssl|tls1|bio|err|x509|x509v3|evp|pem|crypto)\.h$')
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def folder(path):
    """The layer that a path of the tree belongs to."""
    parts = path.split('/')
    if parts[0] == 'core':
        return parts[1]
    return '/'.join(parts[:2]) if parts[0] == 'daemons' else parts[0]


def resolve(file, name):
    """A quoted include as a path of the tree; generated headers resolve by their first folder."""
    places = [os.path.dirname(file), 'core', 'include', 'tests', '']
    for place in places:
        path = os.path.normpath(os.path.join(place, name))
        if os.path.exists(path):
            return path
    first = name.split('/')[0]
    if '/' not in name:
        return os.path.join(os.path.dirname(file), name)
    return name if first in SEES or first == 'daemons' else 'core/' + name


# A folder with more than one contract.
PUBLIC_TOO = {'core/attest/carrier.h', 'core/attest/entry.h', 'core/attest/identity.h',
              'core/attest/ratls.h', 'core/attest/session.h', 'core/attest/session_state.h',
              'core/policy/change.h', 'core/policy/config.h', 'core/policy/statement.h', 'core/policy/webauthn.h', 'client/approval.h', 'client/owner_grant.h',
              'daemons/common/daemon.h', 'integrations/luks/disk.h'}


def public(path):
    """May files of other folders include it?"""
    parts = path.split('/')
    if path.startswith(('core/base/', 'include/', 'tests/')) or path in PUBLIC_TOO:
        return True
    if parts[0] == 'platform':  # platform/clock.h, platform/tls/tls.h
        return len(parts) == 2 or parts[-1] == parts[-2] + '.h'
    return parts[-1] == parts[-2] + '.h' and len(parts) == (3 if parts[0] in ('core', 'daemons') else 2)


def own_include(file, name):
    here, path = folder(file), resolve(file, name)
    there = folder(path)
    if here == there or SEES[here] is None:
        return None
    if there not in SEES[here]:
        return f'{here} must not include {there}: "{name}"'
    return None if public(path) else f'"{name}" is internal to {there}, include its public header'


def system_include(file, name, exceptions):
    here = folder(file)
    if name.startswith('pleiad/'):
        return own_include(file, name)
    if SEES[here] is None or exceptions.allow(file, name):
        return None
    if CRYPTO.match(name):
        if here == 'crypto' or file.startswith('platform/tls/') and TLS_HEADERS.match(name):
            return None
        return f'<{name}> belongs in core/crypto only'
    pure = name in CORE_HEADERS or here == 'shamir' and name in CPU_HEADERS
    return None if pure or not file.startswith('core/') else f'core is pure and must not include <{name}>'


def main():
    bad, exceptions = [], Exceptions('layers')
    for file in files('.c', '.h', '.def'):
        if folder(file) not in SEES:
            bad.append(f'{file}: a folder without a layer')
            continue
        source = text(file)
        for m in INCLUDE.finditer(source):
            why = own_include(file, m[2]) if m[1] == '"' else system_include(file, m[2], exceptions)
            if why:
                bad.append(f'{file}:{source.count(chr(10), 0, m.start()) + 1}: {why}')
    tap = Tap()
    tap.check('layers', bad + exceptions.errors())
    tap.end()


main()
