#!/usr/bin/python3
"""ID tokens of a real provider, through its pages, for a statement: a vault's verifier takes them, and no altered
one.

    flow.py OIDC_VERIFY FOLDER

FOLDER receives the provider's packages (npm ci)."""
import json
import os
import subprocess
import sys
import time

from provider import Providers, b64u, install, nonce_of, unb64u

STATEMENT = '{"op":"export","typ":"pleiad-request-1"}'
count = bad = 0


def ok(good, what):
    global count, bad
    count, bad = count + 1, bad + (not good)
    print(('ok' if good else 'not ok') + f' {count} - {what}', flush=True)


def verify(program, rows, tokens, statement=STATEMENT, now=None):
    """What is said of each token."""
    path = os.path.join(sys.argv[2], 'issuers.json')
    with open(path, 'w', encoding='ascii') as f:
        json.dump(rows, f)
    done = subprocess.run([program, path, str(int(now if now is not None else time.time())), statement], text=True,
                          input=''.join(t + '\n' for t in tokens), stdout=subprocess.PIPE, check=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == len(tokens), (len(lines), len(tokens))
    return lines


def with_claims(token, **claims):
    """The token with other claims, under its old signature."""
    header, payload, signature = token.split('.')
    changed = json.loads(unb64u(payload)) | claims
    return '.'.join([header, b64u(json.dumps(changed, separators=(',', ':')).encode()), signature])


def with_header(token, signature=None, **members):
    header, payload, old = token.split('.')
    changed = json.loads(unb64u(header)) | members
    return '.'.join([b64u(json.dumps(changed).encode()), payload, old if signature is None else signature])


def flipped(token):
    """The token with each of its characters another one."""
    return [token[:i] + ('A' if c != 'A' else 'B') + token[i + 1:] for i, c in enumerate(token)]


def good_tokens(program, issuer, row):
    token = issuer.sign_in('alice', nonce_of(STATEMENT.encode()))
    claims = json.loads(unb64u(token.split('.')[1]))
    want = (f'OK iss={issuer.url} sub=alice role=release role=look role=realm-alice amr=hwk amr=pin '
            f'auth_time={claims["auth_time"]}')
    got = verify(program, [row], [token])[0]
    ok(got == want, f'{issuer.host}: alice signed in for the statement: {got}')
    return token


def refusals(program, issuer, row, token, others):
    def refused(what, code, *args, **more):
        said = verify(program, *args, **more)
        ok(all(s == code for s in said), f'{issuer.host}: {what}: {said[0]}')

    said = verify(program, [row], flipped(token))
    ok(not [s for s in said if s.startswith('OK')], f'{issuer.host}: none of {len(said)} with one other character')
    refused('for another statement', 'JWT_NONCE', [row], [token], STATEMENT + ' ')
    refused('an hour and a half later', 'JWT_EXPIRED', [row], [token], now=time.time() + 5400)
    refused('an hour ago', 'JWT_EARLY', [row], [token], now=time.time() - 3600)
    refused('for another audience', 'JWT_AUDIENCE', [row | {'audience': 'somebody'}], [token])
    refused('with keys of another issuer', 'JWT_KEY', [row | {'keys': others[0]['keys']}], [token])
    refused('where the issuer is not pinned', 'JWT_ISSUER', others, [token])
    refused('with another subject', 'JWT_SIGNATURE', [row], [with_claims(token, sub='bob')])
    refused('with one more role', 'JWT_SIGNATURE', [row], [with_claims(token, roles=['admin'])])
    refused('as if another issuer had signed', 'JWT_KEY', [row] + others, [with_claims(token, iss=others[0]['issuer'])])
    refused('alg none', 'JWT_ALG', [row], [with_header(token, '', alg='none'), with_header(token, alg='none')])
    refused('alg HS256', 'JWT_ALG', [row], [with_header(token, alg='HS256')])
    refused('crit', 'JWT_CRIT', [row], [with_header(token, crit=['exp'])])
    refused('a key of its own', 'JWT_OWN_KEY', [row], [with_header(token, jwk=row['keys'][0])])
    refused('its other key', 'JWT_ALG', [row], [with_header(token, kid=row['keys'][1]['kid'])])
    late = issuer.sign_in('alice', nonce_of(b'something else'))
    refused('a session for something else', 'JWT_NONCE', [row], [late])


def main():
    program, folder = sys.argv[1:]
    install(folder)
    with Providers(folder) as providers:
        issuers = [providers.issuer(name) for name in providers.ports]
        rows = [i.row() for i in issuers]
        for i, issuer in enumerate(issuers):
            token = good_tokens(program, issuer, rows[i])
            refusals(program, issuer, rows[i], token, rows[:i] + rows[i + 1:])
        tokens = [i.sign_in('bob', nonce_of(STATEMENT.encode())) for i in issuers]
        ok(all(' sub=bob role=look role=realm-bob ' in s for s in verify(program, rows, tokens)),
           'three issuers side by side')
    print(f'1..{count}')
    return 1 if bad else 0


sys.exit(main())
