// What the chart refuses: unknown and misshapen values by its schema, values that do not go together with a sentence.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const yaml = require('yaml');
const {
  ROOT, SECURED, TRIAL, chartFile, isMap, one, over, refusal, render,
} = require('./helm.js');

const source = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8');

// Values that do not go together -> the sentence.
const MISTAKES = [
  ['no database', { ...TRIAL, database: {} }, /No database is set: name a Secret/],
  ['url and Secret', over(TRIAL, { database: { existingSecret: 'db' } }),
    /database\.url and database\.existingSecret are both set/],
  ['no image', { ...TRIAL, image: {} }, /No image is set: build it/],
  ['insecure with TLS', over(TRIAL, { tls: { existingSecret: 't' } }), /insecure is set together with tls/],
  ['insecure with a client CA', over(TRIAL, { tls: { clientCa: { existingSecret: 't' } } }),
    /insecure is set together with tls/],
  ['insecure with tokens', over(TRIAL, { tokens: { existingSecret: 't' } }),
    /insecure is set together with tokens or grants/],
  ['insecure with grants', over(TRIAL, { grants: SECURED.grants }),
    /insecure is set together with tokens or grants/],
  ['neither', over(TRIAL, { insecure: false }),
    /neither encrypted nor known: set tls\.existingSecret and grants; or set insecure/],
  ['TLS without grants', over(SECURED, { tokens: { existingSecret: '' }, grants: [] }),
    /neither encrypted nor known/],
  ['grants without TLS', over(SECURED, { tls: { existingSecret: '' } }), /neither encrypted nor known/],
  ['tokens without grants', over(SECURED, { grants: [] }), /tokens are set without grants/],
  ['nobody can show who it is', over(SECURED, { tokens: { existingSecret: '' } }),
    /no caller could show who it is/],
  ['a budget for one', over(TRIAL, { replicaCount: 1, podDisruptionBudget: { create: 'always' } }),
    /always with one coordinator/],
  ['a budget for all', over(TRIAL, { replicaCount: 2, podDisruptionBudget: { maxUnavailable: 2 } }),
    /maxUnavailable is 2 of 2/],
  ['a short grace period', over(TRIAL, { terminationGracePeriodSeconds: 46 }),
    /terminationGracePeriodSeconds is 46: .* make 47\./],
  ['a long drain', over(TRIAL, { config: { drainTimeout: '1m' } }),
    /config\.drainTimeout 1m \+ 4 x config\.databaseDeadline 5s \+ 2 s make 87\./],
  ['a long deadline', over(TRIAL, { config: { databaseDeadline: '6s' } }), /databaseDeadline 6s \+ 2 s make 51\./],
  ['a fraction of a second', over(TRIAL, { preStopDelay: '8.5s' }), /make 51\./],
  ['trust below the deadline', over(TRIAL, { config: { trustWindow: '4s' } }),
    /config\.trustWindow is 4s and config\.databaseDeadline is 5s/],
  ['trust below three pings', over(TRIAL, { config: { pingInterval: '6s', idleSessionTimeout: '20s' } }),
    /less than three times config\.pingInterval, 6s/],
  ['idle timeout', over(TRIAL, { config: { idleSessionTimeout: '1400ms' } }),
    /config\.idleSessionTimeout is 1400ms, less than three times/],
  ['FAST grace', over(TRIAL, { config: { fastGrace: '999ms' } }),
    /config\.fastGrace is 999ms, less than twice config\.probeInterval/],
  ['a short lease', over(TRIAL, { config: { defaultLease: '499ms' } }),
    /config\.defaultLease is 499ms: a lease lasts 500ms to 60s/],
  ['a long lease', over(TRIAL, { config: { defaultLease: '61s' } }), /config\.defaultLease is 61s/],
  ['no time at all', over(TRIAL, { config: { pruneInterval: '0s' } }),
    /config\.pruneInterval is 0s: a duration has to be longer/],
  ['more than a day', over(TRIAL, { config: { logPollInterval: '25h' } }),
    /config\.logPollInterval is 25h: it may be 24h at most/],
  ['recovery', over(TRIAL, { config: { recoveryInterval: '49ms' } }), /config\.recoveryInterval is 49ms/],
  ['retention', over(TRIAL, { config: { retentionAge: '59s' } }),
    /config\.retentionAge is 59s: it may be 1m to 3650d/],
  ['one port for two', over(TRIAL, { service: { ports: { grpc: 7421 } } }),
    /service\.ports\.grpc and service\.ports\.http are both 7421/],
  ['a slow scrape', over(TRIAL, { serviceMonitor: { enabled: true, scrapeTimeout: '16s' } }),
    /scrapeTimeout is 16s, longer than/],
  ['a variable twice', over(TRIAL, { extraEnv: [{ name: 'VIGIL_TRUST_WINDOW', value: '1m' }] }),
    /extraEnv sets VIGIL_TRUST_WINDOW/],
  ['the database as a variable', over(TRIAL, { extraEnv: [{ name: 'VIGIL_DATABASE', value: 'x' }] }),
    /extraEnv sets VIGIL_DATABASE/],
  ['TLS of the database as a variable', over(TRIAL, { extraEnv: [{ name: 'PGSSLMODE', value: 'require' }] }),
    /extraEnv sets PGSSLMODE, which the migrations would not have: use database\.sslMode/],
  ['its authorities as a variable', over(TRIAL, { extraEnv: [{ name: 'PGSSLROOTCERT', value: '/ca' }] }),
    /extraEnv sets PGSSLROOTCERT/],
  ['authorities that nobody asks', over(SECURED, { database: { sslMode: 'require', ca: { existingSecret: 'ca' } } }),
    /with database\.sslMode require nobody would look whose certificate/],
  ['helm test with a token where there are none', over(SECURED, {
    tokens: { existingSecret: '' }, tls: { clientCa: { existingSecret: 'ca' } },
    helmTest: { token: { existingSecret: 't' } },
  }), /there are no tokens that it could be one of: set helmTest\.clientCertSecret instead/],
  ['helm test with a certificate that nobody asks for', over(SECURED, { helmTest: { clientCertSecret: 'c' } }),
    /nobody asks callers for certificates: set helmTest\.token\.existingSecret instead/],
  ['insecure with a token for helm test', over(TRIAL, { helmTest: { token: { existingSecret: 't' } } }),
    /insecure is set together with an identity of helmTest/],
  ['insecure with a certificate for helm test', over(TRIAL, { helmTest: { clientCertSecret: 'c' } }),
    /insecure is set together with an identity of helmTest/],
  ['a release that begins with a digit', TRIAL, /makes the name 1st-vigil for its Services/, '1st'],
  ['a release with a dot', TRIAL, /makes the name a\.b-vigil for its Services/, 'a.b'],
  ['rights without an owner', over(SECURED, { migrations: { grantTo: 'vigil' } }),
    /migrations\.grantTo is set without migrations\.existingSecret/],
  ['an owner for nothing', over(SECURED, { migrations: { mode: 'none', existingSecret: 'o' } }),
    /migrations\.mode is none, so nothing would use it/],
  ['no such alert', over(TRIAL, { prometheusRule: { enabled: true, disabled: ['VigilX'] } }),
    /there is no such alert; there are VigilNoCoordinator,/],
];

// Values that the schema refuses -> where it says so.
const MISSHAPEN = [
  [{ replicas: 2 }, "additional properties 'replicas' not allowed"],
  [{ replicaCount: 0 }, "/replicaCount'"],
  [{ replicaCount: '2' }, "/replicaCount'"],
  [{ image: { digest: 'sha256:abc' } }, "/image/digest'"],
  [{ image: { tag: 'a b' } }, "/image/tag'"],
  [{ database: { uri: 'x' } }, "additional properties 'uri' not allowed"],
  [{ database: { existingSecret: 'Not_A_Name' } }, "/database/existingSecret'"],
  [{ config: { trustWindow: '15' } }, "/config/trustWindow'"],
  [{ config: { trustWindow: '15 s' } }, "/config/trustWindow'"],
  [{ config: { trustwindow: '15s' } }, "additional properties 'trustwindow' not allowed"],
  [{ config: { requestThreads: 257 } }, "/config/requestThreads'"],
  [{ config: { logLevel: 'trace' } }, "/config/logLevel'"],
  [{ grants: [{ identity: 'a', namespace: '*', roles: ['admin'] }] }, "/grants/0/roles/0'"],
  [{ grants: [{ identity: 'a b', namespace: '*', roles: ['member'] }] }, "/grants/0/identity'"],
  [{ grants: [{ identity: '*', namespace: '*', roles: ['member'] }] }, "/grants/0/identity'"],
  [{ grants: [{ identity: 'a', namespace: 'A', roles: ['member'] }] }, "/grants/0/namespace'"],
  [{ grants: [{ identity: 'a', namespace: '*', roles: [] }] }, "/grants/0/roles'"],
  [{ grants: [{ identity: 'a', namespaces: '*', roles: ['member'] }] }, "missing property 'namespace'"],
  [{ migrations: { mode: 'job' } }, "/migrations/mode'"],
  [{ podDisruptionBudget: { create: true } }, "/podDisruptionBudget/create'"],
  [{ resources: { limit: { cpu: 1 } } }, "additional properties 'limit' not allowed"],
  [{ podSecurityContext: { runAsRoot: true } }, "additional properties 'runAsRoot' not allowed"],
  [{ tolerations: [{ effect: 'Never' }] }, "/tolerations/0/effect'"],
  [{ affinity: { podAffinity: { required: [] } } }, "additional properties 'required' not allowed"],
  [{ networkPolicy: { grpcFrom: [{ pods: {} }] } }, "additional properties 'pods' not allowed"],
  [{ extraEnv: [{ name: 'A', value: 1 }] }, "/extraEnv/0/value'"],
  [{ extraVolumes: [{ emptyDir: {} }] }, "missing property 'name'"],
  [{ extraObjects: [{ kind: 'ConfigMap' }] }, "missing properties 'apiVersion', 'metadata'"],
  [{ commonLabels: { a: true } }, "/commonLabels/a'"],
  [{ service: { ports: { grpc: 70000 } } }, "/service/ports/grpc'"],
  [{ prometheusRule: { runbookUrl: 'docs/alerts' } }, "/prometheusRule/runbookUrl'"],
  [{ serviceMonitor: { interval: '1h30m' } }, "/serviceMonitor/interval'"],
];

// Values that are null -> what is said.
const TAKEN_AWAY = [
  [{ config: { trustWindow: null } }, "at '/config': missing property 'trustWindow'"],
  [{ config: null }, "missing property 'config'"],
  [{ tls: { clientCa: null } }, "at '/tls': missing property 'clientCa'"],
  [{ podSecurityContext: null, containerSecurityContext: null },
    "missing properties 'podSecurityContext', 'containerSecurityContext'"],
  [{ podSecurityContext: { runAsNonRoot: null } }, "at '/podSecurityContext': missing property 'runAsNonRoot'"],
  [{ containerSecurityContext: { capabilities: null } }, "missing property 'capabilities'"],
];

// What null takes away for a reason: ids that a platform gives, bounds, a label of another sidecar.
const MAY_GO = [
  'dashboard.labels.grafana_dashboard',
  'migrations.resources.limits', 'migrations.resources.limits.memory', 'migrations.resources.requests',
  'migrations.resources.requests.cpu', 'migrations.resources.requests.memory',
  'podSecurityContext.fsGroup', 'podSecurityContext.fsGroupChangePolicy', 'podSecurityContext.runAsGroup',
  'podSecurityContext.runAsUser',
  'resources.limits', 'resources.limits.memory', 'resources.requests', 'resources.requests.cpu',
  'resources.requests.memory',
];

// Paths of the values that a schema does not require.
function notNeeded(root, schema, values, path = '') {
  const here = schema.$ref ? root.definitions[schema.$ref.split('/').pop()] : schema;
  return Object.entries(values).flatMap(([key, value]) => {
    const inner = here.properties?.[key] ?? here.additionalProperties;
    const own = here.required?.includes(key) ? [] : [`${path}${key}`];
    return isMap(value) ? [...own, ...notNeeded(root, inner, value, `${path}${key}.`)] : own;
  });
}

// Kubernetes' own objects that the chart passes on whole, and what a parent chart puts in.
const OPEN = [
  '/definitions/volume', '/definitions/container', '/definitions/object', '/definitions/object/properties/metadata',
  '/properties/global',
];

// Paths of the schemas of objects that take any property.
function openObjects(schema, path = '') {
  const closed = schema.additionalProperties === false || isMap(schema.additionalProperties);
  const found = schema.type === 'object' && !closed ? [path] : [];
  for (const [key, value] of Object.entries(schema)) {
    if (isMap(value)) found.push(...openObjects(value, `${path}/${key}`));
  }
  return found;
}

module.exports = async (test) => {
  for (const [name, values, sentence, release] of MISTAKES) {
    await test(`Refused_${name.replace(/ /g, '_')}`, () => {
      const said = refusal(values, release);
      assert.match(said, sentence);
      assert.ok(!said.includes('hidden'), 'it shows the connection string');
    });
  }

  await test('Schema_RefusesWhatItDoesNotKnow', () => {
    for (const [values, place] of MISSHAPEN) {
      const said = refusal(over(TRIAL, values));
      assert.ok(said.includes(place), `${JSON.stringify(values)}: ${said}`);
    }
  });

  await test('Schema_RefusesToTakeAValueAwayWithNull', () => {
    for (const [values, what] of TAKEN_AWAY) {
      const said = refusal(over(TRIAL, values));
      assert.ok(said.includes(what), `${JSON.stringify(values)}: ${said}`);
    }
  });

  await test('Schema_NeedsEveryValueButThoseThatMayGo', () => {
    const schema = JSON.parse(chartFile('values.schema.json'));
    const open = notNeeded(schema, schema, yaml.parse(chartFile('values.yaml')));
    assert.deepStrictEqual(open.sort(), MAY_GO);
  });

  await test('Grants_NameEveryIdentityThatTheServerTakesAndNoOther', () => {
    const identities = JSON.parse(source('tests/unit/access/identities.json'));
    const [good, bad] = [identities.good, identities.bad]
      .map((rows) => rows.map(({ text, times = 1 }) => text.repeat(times)));
    const grants = (all) => all.map((identity) => ({ identity, namespace: 'shop', roles: ['member'] }));
    const lines = one(render(over(SECURED, { grants: grants(good) })), 'ConfigMap').data.grants.split('\n');
    assert.deepStrictEqual(lines.slice(1, -1), good.map((identity) => `${identity} shop member`));
    const said = refusal(over(SECURED, { grants: grants(bad) }));
    for (const i of bad.keys()) assert.ok(said.includes(`at '/grants/${i}/identity'`), JSON.stringify(bad[i]));
  });

  await test('Grants_MakeNoFileThatTheServerRefuses', () => {
    const number = (pattern) => Number(pattern.exec(source('server/access/lines.h'))[1].replaceAll("'", ''));
    const most = number(/kMostLines = ([0-9']+);/);
    const largest = 2 ** number(/kLargestFile = size_t\{1\} << (\d+);/);
    const grants = (count, length) => Array.from({ length: count }, (_, i) => (
      { identity: `${i}`.padEnd(length, '-'), namespace: 'shop', roles: ['member'] }));
    const file = (all) => one(render(over(SECURED, { grants: all })), 'ConfigMap').data.grants;
    assert.strictEqual(file(grants(most - 1, 4)).split('\n').length - 1, most);
    assert.match(refusal(over(SECURED, { grants: grants(most, 4) })), /at '\/grants': maxItems/);
    assert.ok(file(grants(2000, 500)).length < largest);
    assert.match(refusal(over(SECURED, { grants: grants(2100, 500) })), /grants make a file of \d+ bytes, and neither/);
  });

  await test('Schema_IsClosedAtEveryLevel', () => {
    const schema = JSON.parse(chartFile('values.schema.json'));
    assert.deepStrictEqual(openObjects(schema).sort(), [...OPEN].sort());
  });
};
