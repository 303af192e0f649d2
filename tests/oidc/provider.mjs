// An OpenID Connect provider for flow.py: three issuers, one for each algorithm that a vault knows,
// with keys of this run and pages where a person would sign in and consent. It prints one line of
// JSON, {"rs256": PORT, ...}, once all listen, and ends when its standard input does. Which accounts
// there are and what a token says of them is below; passwords there are none.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { Provider } from 'oidc-provider';

const kinds = {
  rs256: ['rsa', { modulusLength: 2048 }, 'RS256'],
  es256: ['ec', { namedCurve: 'P-256' }, 'ES256'],
  eddsa: ['ed25519', {}, 'EdDSA'],
};

const jwk = (type, options) => generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });

const accounts = { alice: { roles: ['release', 'look'] }, bob: { roles: ['look'] } };

function configuration(type, options, alg) {
  const other = type === 'rsa' ? ['ec', { namedCurve: 'P-256' }] : ['rsa', { modulusLength: 2048 }];
  const keys = [jwk(type, options), jwk(...other)].map((key) => ({ ...key, use: 'sig' }));
  return {
    jwks: { keys },
    clients: [{
      client_id: 'pleiad', client_secret: 'of the test', redirect_uris: ['https://app.example/cb'],
      id_token_signed_response_alg: alg,
    }],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    claims: { openid: ['sub', 'roles', 'realm_access'], auth_time: null, amr: null, iss: null },
    conformIdTokenClaims: false,
    cookies: { keys: ['of the test'] },
    features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, sub) => accounts[sub] && {
      accountId: sub,
      claims: () => ({ sub, roles: accounts[sub].roles, realm_access: { roles: [`realm-${sub}`] } }),
    },
    ttl: { IdToken: 3600 },
  };
}

async function body(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return new URLSearchParams(text);
}

async function consent(provider, details) {
  const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
  grant.addOIDCScope('openid');
  return { consent: { grantId: await grant.save() } };
}

async function interact(provider, req, res) {
  const details = await provider.interactionDetails(req, res);
  const { name } = details.prompt;
  if (req.method === 'GET') {
    const field = name === 'login' ? '<input name="account">' : '';
    res.setHeader('content-type', 'text/html');
    res.end(`<form method="post" action="/interaction/${details.uid}">${field}<button>${name}</button></form>`);
    return;
  }
  const form = await body(req);
  const result = name === 'login' ? { login: { accountId: form.get('account'), amr: ['hwk', 'pin'] } }
    : await consent(provider, details);
  await provider.interactionFinished(req, res, result);
}

async function serve(name) {
  const provider = new Provider(`https://${name}.id.example`, configuration(...kinds[name]));
  provider.proxy = true; // TLS would end before it
  const callback = provider.callback();
  const server = http.createServer((req, res) => {
    if (!req.url.startsWith('/interaction/')) return callback(req, res);
    return interact(provider, req, res).catch((e) => { res.statusCode = 500; res.end(String(e.stack)); });
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return [name, server.address().port];
}

const ports = Object.fromEntries(await Promise.all(Object.keys(kinds).map(serve)));
process.stdout.write(`${JSON.stringify(ports)}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
