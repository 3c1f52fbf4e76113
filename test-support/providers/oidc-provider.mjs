// An OpenID provider on loopback, which `OidcProvider` of `test-support` starts.
//
// Its argument is a JSON object: `port`, the signing algorithm `alg`, and `keys`, the file that
// keeps its keys over a restart. It prints `listening` when it accepts connections.
//
// Clients: `app` signs users in and has no secret (PKCE), `plain` does so and its logout tokens have no
// `sid`, `web` does so with a secret, `service` gets tokens for itself, and `api` introspects, as `web`
// may. Resources that end in `/opaque` have opaque tokens, others have JWTs.
//
// Further requests, for tests only:
//   POST /test/rotate?overlap=true|false   signs with a new key; old ones stay published, or not
//   POST /test/notify?uri=…                sends the logouts of all clients to this address
//   GET  /test/requests                    how many requests for each path there were
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { port, alg, keys: file } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

function newKey(algorithm) {
  const { privateKey } = generateKeyPairSync(...KINDS[algorithm]);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: algorithm };
}

let keys = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [newKey(alg)];

// Outlives the provider object, which a rotation replaces.
const stored = new Map();

class Store {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  found(property, value) {
    for (const [key, payload] of stored) {
      if (key.startsWith(`${this.model}:`) && payload[property] === value) return payload;
    }
    return undefined;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async findByUid(uid) {
    return this.found('uid', uid);
  }

  async findByUserCode(code) {
    return this.found('userCode', code);
  }

  async consume(id) {
    stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grant) {
    for (const [key, payload] of stored) if (payload.grantId === grant) stored.delete(key);
  }
}

const SECRET = 'a secret of the tests, 32 bytes long';
const HOUR = 3600;

// No client uses the default, RS256, unless there is a key for it.
const signed = { id_token_signed_response_alg: alg, introspection_signed_response_alg: alg };

const signsIn = {
  ...signed,
  application_type: 'native', // any port of a redirect URI on loopback
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback'],
  post_logout_redirect_uris: ['http://127.0.0.1/'],
  // Without this, its sessions have no `sid`.
  backchannel_logout_session_required: true,
};

const clients = [
  { ...signsIn, client_id: 'app', token_endpoint_auth_method: 'none' },
  {
    ...signsIn,
    client_id: 'plain',
    token_endpoint_auth_method: 'none',
    backchannel_logout_session_required: false,
  },
  { ...signsIn, client_id: 'web', client_secret: SECRET },
  {
    ...signed,
    client_id: 'service',
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  },
  {
    ...signed,
    client_id: 'api',
    client_secret: SECRET,
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  },
];

function resource(_, indicator) {
  const format = indicator.endsWith('/opaque') ? 'opaque' : 'jwt';
  return { audience: indicator, scope: 'orders:read', accessTokenFormat: format, jwt: { sign: { alg } } };
}

const settings = {
  adapter: Store,
  clientBasedCORS: () => true,
  cookies: { keys: [SECRET] },
  extraTokenClaims: (_, token) => (token.sid ? { sid: token.sid } : undefined),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  scopes: ['openid', 'offline_access', 'orders:read'],
  ttl: Object.fromEntries(
    ['AccessToken', 'AuthorizationCode', 'ClientCredentials', 'Grant', 'IdToken', 'Interaction', 'RefreshToken', 'Session']
      .map((kind) => [kind, HOUR]),
  ),
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true }, // accepts any name and password
    introspection: { enabled: true, allowedPolicy: () => true },
    jwtIntrospection: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, __, one) => one?.[0],
      getResourceServerInfo: resource,
      useGrantedResource: () => true,
    },
  },
};

let notified = 'http://127.0.0.1:9/';
let answer;

function publish() {
  writeFileSync(file, JSON.stringify(keys));
  const notifying = clients.map((client) =>
    client.redirect_uris.length ? { ...client, backchannel_logout_uri: notified } : client);
  const provider = new Provider(issuer, { ...settings, clients: notifying, jwks: { keys } });
  provider.on('server_error', (_, error) => console.error(error));
  provider.on('backchannel.success', (_, client) => console.error(`backchannel: ${client.clientId} taken`));
  provider.on('backchannel.error', (_, error, client) =>
    console.error(`backchannel: ${client.clientId} failed: ${error.message}`));
  answer = provider.callback();
}

const requests = {};

function handle(request, response) {
  const { pathname, searchParams } = new URL(request.url, issuer);
  if (pathname === '/test/requests') return response.end(JSON.stringify(requests));
  if (pathname === '/test/rotate') {
    keys = [newKey(alg), ...(searchParams.get('overlap') === 'true' ? keys : [])];
    publish();
    return response.end();
  }
  if (pathname === '/test/notify') {
    notified = searchParams.get('uri');
    publish();
    return response.end();
  }
  requests[pathname] = (requests[pathname] ?? 0) + 1;
  return answer(request, response);
}

publish();
const server = createServer(handle);
server.on('error', (error) => {
  console.error(error.code === 'EADDRINUSE' ? 'Address already in use' : error);
  process.exit(1);
});
server.listen(port, '127.0.0.1', () => console.log('listening'));
