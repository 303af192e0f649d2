"""The provider of provider.mjs from outside: what a browser and the program that sends it there do."""
import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import subprocess
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b'=').decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def nonce_of(statement):
    return b64u(hashlib.sha256(statement).digest())


def install(folder):
    """The packages of package-lock.json, each with the digest that stands there."""
    os.makedirs(folder, exist_ok=True)
    for name in ('package.json', 'package-lock.json', 'provider.mjs'):
        with open(os.path.join(HERE, name), 'rb') as f, open(os.path.join(folder, name), 'wb') as out:
            out.write(f.read())
    done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode:
        raise SystemExit('not ok - npm ci\n# ' + done.stdout.replace('\n', '\n# '))


class Providers:
    """All issuers: one process, which ends with this object."""

    def __init__(self, folder):
        self.process = subprocess.Popen(['node', 'provider.mjs'], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit('not ok - the provider starts\n# ' + self.process.stderr.read().replace('\n', '\n# '))
        self.ports = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.process.stdin.close()
        self.process.wait(30)

    def issuer(self, name):
        return Issuer(name, self.ports[name])


class Issuer:
    """One issuer, and a browser that knows nothing yet."""

    def __init__(self, name, port):
        self.url, self.host, self.port = f'https://{name}.id.example', f'{name}.id.example', port
        self.cookies = {}

    def ask(self, method, path, form=None, headers=None):
        """(status, headers, body). The provider is reached where it listens, whatever its name."""
        conn = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        head = {'Host': self.host, 'X-Forwarded-Proto': 'https', **(headers or {})}
        if self.cookies:
            head['Cookie'] = '; '.join(f'{k}={v}' for k, v in self.cookies.items())
        if form is not None:
            head['Content-Type'] = 'application/x-www-form-urlencoded'
        conn.request(method, path, urllib.parse.urlencode(form) if form is not None else None, head)
        answer = conn.getresponse()
        body = answer.read().decode()
        for cookie in answer.headers.get_all('Set-Cookie') or []:
            name, value = cookie.split(';')[0].split('=', 1)
            self.cookies[name] = value
        conn.close()
        return answer.status, answer.headers, body

    def row(self, audience='pleiad'):
        """Its row of a configuration's `issuers`, from what it publishes."""
        found = json.loads(self.ask('GET', '/.well-known/openid-configuration')[2])
        assert found['issuer'] == self.url, found
        keys = json.loads(self.ask('GET', urllib.parse.urlsplit(found['jwks_uri']).path)[2])['keys']
        return {'issuer': self.url, 'audience': audience, 'keys': keys}

    def sign_in(self, account, nonce):
        """An ID token: authorization code flow with PKCE, through the pages for sign-in and consent."""
        self.cookies, verifier = {}, b64u(secrets.token_bytes(32))
        want = {'claims': json.dumps({'id_token': {'auth_time': {'essential': True}, 'amr': None}}),
                'client_id': 'pleiad', 'response_type': 'code', 'scope': 'openid', 'nonce': nonce,
                'redirect_uri': 'https://app.example/cb', 'code_challenge_method': 'S256',
                'code_challenge': b64u(hashlib.sha256(verifier.encode()).digest())}
        code = self.browse('/auth?' + urllib.parse.urlencode(want), account)
        secret = base64.b64encode(b'pleiad:of+the+test').decode()
        status, _, body = self.ask('POST', '/token', {'grant_type': 'authorization_code', 'code': code,
                                                      'code_verifier': verifier,
                                                      'redirect_uri': 'https://app.example/cb'},
                                   {'Authorization': 'Basic ' + secret})
        assert status == 200, body
        return json.loads(body)['id_token']

    def browse(self, path, account):
        """Goes where it is sent and fills in the forms; the code that comes in the end."""
        form = None
        for _ in range(12):
            status, headers, body = self.ask('POST' if form is not None else 'GET', path, form)
            if status in (302, 303):
                to = urllib.parse.urlsplit(headers['Location'])
                if to.netloc == 'app.example':
                    return urllib.parse.parse_qs(to.query)['code'][0]
                path, form = to.path + ('?' + to.query if to.query else ''), None
                continue
            action = re.search(r'<form method="post" action="([^"]+)">', body)
            assert status == 200 and action, (status, path, body)
            path, form = action[1], {'account': account} if 'name="account"' in body else {}
        raise AssertionError('no end of redirections')
