// What the chart refuses: unknown and misshapen values by its schema, values that do not go together with a sentence.
'use strict';

const assert = require('node:assert');
const {
  SECURED, TRIAL, chartFile, isMap, over, refusal,
} = require('./helm.js');

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
  ['a short grace period', over(TRIAL, { terminationGracePeriodSeconds: 29 }),
    /terminationGracePeriodSeconds is 29: .* make 30\./],
  ['a long drain', over(TRIAL, { config: { drainTimeout: '1m' } }),
    /config\.drainTimeout 1m \+ 5 s to stop make 70\./],
  ['a fraction of a second', over(TRIAL, { preStopDelay: '20.5s' }), /make 46\./],
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
  for (const [name, values, sentence] of MISTAKES) {
    await test(`Refused_${name.replace(/ /g, '_')}`, () => {
      const said = refusal(values);
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

  await test('Schema_IsClosedAtEveryLevel', () => {
    const schema = JSON.parse(chartFile('values.schema.json'));
    assert.deepStrictEqual(openObjects(schema).sort(), [...OPEN].sort());
  });
};
