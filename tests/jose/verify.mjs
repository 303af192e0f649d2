// An approval that a vault said again, read by a library that knows nothing of Pleiad: with the vault's
// JWK set alone. TAP. usage: node verify.mjs JWS JWKS VAULT_ID AUDIENCE AUTHENTICATOR
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const [, , jwsFile, jwksFile, vault, audience, authenticator] = process.argv;
const jws = readFileSync(jwsFile, 'utf8').trim();
const jwks = JSON.parse(readFileSync(jwksFile, 'utf8'));
const keys = createLocalJWKSet(jwks);
const wanted = { issuer: `urn:pleiad:vault:${vault}`, audience, typ: 'pleiad-approved-1', algorithms: ['ES256'] };
let n = 0, failed = 0;
const ok = (good, name) => { n++; failed += !good; console.log(`${good ? 'ok' : 'not ok'} ${n} - ${name}`); };
const holds = async (text, how = wanted, set = keys) => {
  try { return (await jwtVerify(text, set, how)).payload; } catch { return null; }
};

const said = await holds(jws);
ok(said, 'jose verifies it with the vault\'s key alone');
ok(said?.approval?.typ === 'pleiad-approval-1' && said.approval.op === 'export', 'it holds the statement');
ok(said?.authenticator === authenticator && said.form === 'key', 'and who approved');
ok(said?.exp === Date.parse(said?.approval?.exp) / 1000 && said.exp > said.iat, 'times are the statement\'s');
ok(!(await holds(jws, { ...wanted, audience: 'somebody else' })), 'for another audience it is none');
ok(!(await holds(jws, { ...wanted, issuer: 'urn:pleiad:vault:' + '0'.repeat(64) })), 'nor of another vault');
ok(!(await holds(jws, { ...wanted, currentDate: new Date((said?.exp + 1) * 1000) })), 'nor once it is over');
const { publicKey } = await generateKeyPair('ES256');
const other = { keys: [{ ...(await exportJWK(publicKey)), kid: jwks.keys[0].kid, alg: 'ES256' }] };
ok(!(await holds(jws, wanted, createLocalJWKSet(other))), 'another key under the same kid does not verify it');
let passed = 0;
for (let i = 0; i < jws.length; i++) {
  const c = jws[i] === 'A' ? 'B' : 'A';
  // the last digit of a base64url part has bits that stand for nothing
  const last = i + 1 === jws.length || jws[i + 1] === '.';
  passed += !last && jws[i] !== '.' && (await holds(jws.slice(0, i) + c + jws.slice(i + 1))) !== null;
}
ok(passed === 0, 'no character of it can be changed');
console.log(`1..${n}`);
process.exit(failed ? 1 : 0);
