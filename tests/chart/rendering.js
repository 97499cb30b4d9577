// What the chart renders: valid, restricted, the same names and selectors for the life of a release.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {
  CHART, SECURED, TRIAL, chartFile, ciFiles, ciValues, notes, one, over, parseAll, podOf, render, succeed,
} = require('./helm.js');
const { wrongIn } = require('./kubernetes.js');

const labelled = (file, objects) => objects.map((object) => (
  { label: `${file}: ${object.kind} ${object.metadata.name}`, object }));
const everything = () => ciFiles().flatMap((file) => labelled(file, render(ciValues(file))));
const deployment = (values) => one(render(values), 'Deployment');
const container = (values) => podOf(deployment(values)).containers[0];
const variable = (values, name) => container(values).env.find((each) => each.name === name)?.value;

// What the restricted Pod Security Standard asks for.
function insecurities(spec) {
  const found = [];
  const expect = (held, what) => { if (!held) found.push(what); };
  const context = spec.securityContext ?? {};
  expect(spec.automountServiceAccountToken === false, 'mounts a token');
  expect(!spec.hostNetwork && !spec.hostPID && !spec.hostIPC, 'is in a namespace of its machine');
  for (const volume of spec.volumes ?? []) expect(!volume.hostPath, `mounts a path of its machine: ${volume.name}`);
  for (const each of [...(spec.initContainers ?? []), ...spec.containers]) {
    const own = each.securityContext ?? {};
    expect(own.allowPrivilegeEscalation === false, `${each.name}: privilege escalation`);
    expect(own.capabilities?.drop?.includes('ALL') && !own.capabilities.add, `${each.name}: capabilities`);
    expect(own.runAsNonRoot ?? context.runAsNonRoot, `${each.name}: may be root`);
    expect((own.seccompProfile ?? context.seccompProfile)?.type === 'RuntimeDefault', `${each.name}: seccomp`);
    expect(!own.privileged, `${each.name}: privileged`);
    const foreign = /registry\.example\/(wait|proxy):/.test(each.image); // those of extraContainers are not ours
    expect(foreign || own.readOnlyRootFilesystem, `${each.name}: writable root`);
  }
  return found;
}

// Fields that the API server refuses to change, and the names by which others know the release.
function lasting(objects) {
  return objects.filter((object) => !object.metadata.annotations?.['helm.sh/hook']).flatMap((object) => {
    const { kind, metadata, spec } = object;
    if (kind === 'Deployment') return [{ kind, name: metadata.name, selector: spec.selector }];
    if (kind !== 'Service') return [];
    return [{ kind, name: metadata.name, clusterIP: spec.clusterIP, selector: spec.selector }];
  });
}

function nextVersion(directory) {
  const copy = path.join(directory, 'next');
  fs.cpSync(CHART, copy, { recursive: true });
  const file = path.join(copy, 'Chart.yaml');
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8')
    .replace(/^version: .*$/m, 'version: 9.8.7').replace(/^appVersion: .*$/m, 'appVersion: "9.8.7"'));
  return copy;
}

module.exports = async (test) => {
  await test('Lint_EveryCiFileIsClean', () => {
    succeed(['lint', '--strict', CHART]); // helm does not count a refusal here
    for (const file of ciFiles()) succeed(['lint', '--strict', CHART, '--values', path.join(CHART, 'ci', file)]);
  });

  await test('Render_EveryCiFileIsValidAndHasNoUnknownField', async () => {
    const example = labelled('example', parseAll(chartFile('examples/application.yaml')));
    assert.deepStrictEqual(await wrongIn([...everything(), ...example]), []);
  });

  await test('Render_AnUnknownFieldAndAWrongTypeWouldBeSeen', async () => {
    const broken = deployment(TRIAL);
    podOf(broken).containers[0].livenesProbe = {};
    broken.spec.template.spec.hostAlias = [];
    broken.spec.replicas = 'two';
    const wrong = (await wrongIn([{ label: 'broken', object: broken }])).join('\n');
    assert.match(wrong, /livenesProbe/);
    assert.match(wrong, /replicas must be integer/);
  });

  await test('Render_EveryPodIsRestricted', () => {
    const pods = everything().filter(({ object }) => podOf(object));
    assert.ok(pods.length > 8);
    for (const { label, object } of pods) assert.deepStrictEqual(insecurities(podOf(object)), [], label);
    const [example] = parseAll(chartFile('examples/application.yaml'));
    assert.deepStrictEqual(insecurities(podOf(example)), []);
  });

  await test('Render_EveryObjectHasTheLabelsAndTheNamespace', () => {
    for (const { label, object } of everything()) {
      if (object.metadata.name.endsWith('-extra')) continue;
      assert.strictEqual(object.metadata.namespace, 'prod', label);
      assert.strictEqual(object.metadata.labels['app.kubernetes.io/instance'], 'v', label);
      if (label.startsWith('everything')) {
        assert.strictEqual(object.metadata.labels.team, 'platform', label);
        assert.strictEqual(object.metadata.annotations['example.com/contact'], 'platform@example.com', label);
      }
    }
  });

  await test('Upgrade_ReplacesOneAtATimeAndNoneTooEarly', () => {
    assert.deepStrictEqual(deployment(SECURED).spec.strategy,
      { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    assert.deepStrictEqual(container(SECURED).lifecycle.preStop.exec.command,
      ['/usr/bin/vigild', 'prestop', '--delay', '5s']);
  });

  await test('Upgrade_AndRollbackLeaveNamesAndSelectors', () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-chart-'));
    try {
      const next = nextVersion(directory);
      const before = lasting(render(SECURED));
      assert.strictEqual(before.length, 3);
      for (const values of [SECURED, TRIAL, ...['tokens', 'mtls'].map((each) => ciValues(`${each}-values.yaml`))]) {
        for (const [chart, more] of [[CHART, []], [next, ['--is-upgrade']], [CHART, ['--is-upgrade']]]) {
          assert.deepStrictEqual(lasting(render(values, { chart, more })), before);
        }
      }
      const [now, later] = [CHART, next].map((chart) => one(render(SECURED, { chart }), 'Deployment').spec.template);
      assert.notStrictEqual(now.spec.containers[0].image, later.spec.containers[0].image);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });

  await test('Upgrade_OfTheChartAloneRestartsNobody', () => {
    const template = JSON.stringify(deployment(SECURED).spec.template);
    assert.ok(!template.includes('helm.sh/chart'));
  });

  await test('Selectors_FindTheCoordinatorsAndNoOtherPod', () => {
    const objects = render(ciValues('everything-values.yaml'));
    const podLabels = (object) => (object.kind === 'Pod' ? object : object.spec.template).metadata.labels;
    const matches = (selector, labels) => Object.entries(selector).every(([key, value]) => labels[key] === value);
    const selectors = [
      one(objects, 'Deployment').spec.selector.matchLabels,
      one(objects, 'PodDisruptionBudget').spec.selector.matchLabels,
      one(objects, 'NetworkPolicy').spec.podSelector.matchLabels,
      ...objects.filter(({ kind }) => kind === 'Service').map(({ spec }) => spec.selector),
    ];
    assert.strictEqual(selectors.length, 5);
    for (const object of objects.filter(podOf)) {
      for (const selector of selectors) {
        assert.strictEqual(matches(selector, podLabels(object)), object.kind === 'Deployment', object.kind);
      }
    }
    const { selector } = one(objects, 'ServiceMonitor').spec;
    const services = objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata);
    const scraped = services.filter(({ labels }) => matches(selector.matchLabels, labels));
    assert.deepStrictEqual(scraped.map(({ name }) => name), ['v-liveness-headless']);
  });

  await test('Services_OneBalancesAndOneNamesEveryCoordinator', () => {
    const objects = render(SECURED);
    assert.deepStrictEqual(['v-vigil', 'v-vigil-headless'].map((name) => {
      const { type, clusterIP } = one(objects, 'Service', name).spec;
      return { type, clusterIP };
    }), [{ type: 'ClusterIP', clusterIP: undefined }, { type: 'ClusterIP', clusterIP: 'None' }]);
  });

  await test('Network_ThePodOfHelmTestMayCall', () => {
    const objects = render(ciValues('everything-values.yaml'));
    const { labels } = one(objects, 'Pod').metadata;
    const [grpc] = one(objects, 'NetworkPolicy').spec.ingress;
    const called = grpc.from.map(({ podSelector }) => podSelector?.matchLabels ?? { none: '' });
    assert.ok(called.some((wanted) => Object.entries(wanted).every(([key, value]) => labels[key] === value)));
  });

  await test('Network_WhatCoordinatorsMayReachIsNamed', () => {
    const policy = { enabled: true, databaseTo: [{ ipBlock: { cidr: '10.1.0.0/16' } }] };
    const egress = (more) => one(render(over(SECURED, { networkPolicy: { ...policy, ...more } })), 'NetworkPolicy')
      .spec.egress;
    const [dns, database, ...others] = egress({});
    assert.deepStrictEqual(others, []);
    assert.deepStrictEqual(database, { ports: [{ port: 5432, protocol: 'TCP' }], to: policy.databaseTo });
    assert.deepStrictEqual(dns.ports.map(({ port, protocol }) => `${port}/${protocol}`),
      ['53/UDP', '53/TCP', '5353/UDP', '5353/TCP']);
    const [pods, cache] = dns.to;
    assert.deepStrictEqual(pods.namespaceSelector.matchExpressions[0].values, ['kube-system', 'openshift-dns']);
    assert.deepStrictEqual(cache, { ipBlock: { cidr: '169.254.20.10/32' } });
    assert.deepStrictEqual(egress({ dnsTo: [] }), [database]); // an empty `to` would be everywhere
  });

  await test('Network_PortsAreNumbers', () => {
    const { ingress, egress } = one(render(ciValues('everything-values.yaml')), 'NetworkPolicy').spec;
    const ports = [...ingress, ...egress].flatMap((rule) => rule.ports.map(({ port }) => port));
    assert.deepStrictEqual(ports, [8443, 8080, 5353, 5353, 6432, 4317]);
  });

  await test('OpenShift_GivesTheIds', () => {
    const objects = render(ciValues('openshift-values.yaml'));
    const { securityContext: context, containers } = podOf(one(objects, 'Deployment'));
    assert.deepStrictEqual(context, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of containers) {
      for (const id of ['runAsUser', 'runAsGroup']) assert.ok(!(id in securityContext));
    }
  });

  await test('Spread_EveryConstraintHasASelector', () => {
    const { topologySpreadConstraints: spread } = podOf(deployment(TRIAL));
    assert.strictEqual(spread.length, 2);
    for (const constraint of spread) {
      assert.strictEqual(constraint.labelSelector.matchLabels['app.kubernetes.io/component'], 'coordinator');
      assert.deepStrictEqual(constraint.matchLabelKeys, ['pod-template-hash']);
    }
    const [own] = podOf(deployment(ciValues('everything-values.yaml'))).topologySpreadConstraints;
    assert.deepStrictEqual(own.labelSelector, { matchLabels: { mine: 'yes' } });
  });

  await test('Budget_OnlyAboveOneCoordinator', () => {
    const budgets = (more) => render(over(TRIAL, more)).filter(({ kind }) => kind === 'PodDisruptionBudget').length;
    assert.strictEqual(budgets({ replicaCount: 1 }), 0);
    assert.strictEqual(budgets({ replicaCount: 2 }), 1);
    assert.strictEqual(budgets({ replicaCount: 2, podDisruptionBudget: { create: 'never' } }), 0);
  });

  // While the database is away none is ready.
  await test('Budget_HoldsWhileNoneIsReady', () => {
    const { spec } = one(render(SECURED), 'PodDisruptionBudget');
    assert.strictEqual(spec.unhealthyPodEvictionPolicy, 'IfHealthyBudget');
  });

  await test('Secrets_AreMountedWholeAndReadableByTheGroup', () => {
    const spec = podOf(deployment(ciValues('everything-values.yaml')));
    const secrets = spec.volumes.filter(({ secret }) => secret);
    assert.strictEqual(secrets.length, 4);
    for (const { secret } of secrets) assert.strictEqual(secret.defaultMode, 0o440);
    for (const mount of spec.containers[0].volumeMounts) assert.strictEqual(mount.subPath, undefined);
  });

  await test('Secrets_TheDatabaseIsAReferenceAndNeverAValue', () => {
    for (const { label, object } of everything()) {
      const held = object.kind === 'Secret' ? '' : JSON.stringify(object);
      assert.ok(!held.includes('postgresql://'), label);
    }
    assert.ok(!render(SECURED).some(({ kind }) => kind === 'Secret'));
    const env = container(SECURED).env.find(({ name }) => name === 'VIGIL_DATABASE');
    assert.deepStrictEqual(env.valueFrom, { secretKeyRef: { name: 'db', key: 'url' } });
  });

  await test('Secrets_NothingOutsideOfThemIsMadeOfTheUrl', () => {
    const others = (url) => render(over(TRIAL, { database: { url } })).filter(({ kind }) => kind !== 'Secret');
    assert.deepStrictEqual(others('host=db password=one'), others('host=db password=other'));
  });

  await test('Secrets_AnUpgradeWithAUrlRestartsTheCoordinators', () => {
    const annotations = (values) => deployment(values).spec.template.metadata.annotations;
    assert.deepStrictEqual(annotations(TRIAL), { 'vigil/revision': '1' });
    assert.strictEqual(annotations(SECURED), undefined);
  });

  await test('Database_ItsCertificateIsVerifiedWhereThereAreAuthorities', () => {
    const set = (database) => {
      const objects = render(over(SECURED, { database }));
      const [job, coordinator] = ['Job', 'Deployment'].map((kind) => podOf(one(objects, kind)).containers[0].env
        .filter(({ name }) => name.startsWith('PGSSL')).map(({ name, value }) => `${name}=${value}`));
      assert.deepStrictEqual(job, coordinator);
      return job;
    };
    const file = 'PGSSLROOTCERT=/etc/vigil/database-ca/ca.crt';
    assert.deepStrictEqual(set({}), []);
    assert.deepStrictEqual(set({ sslMode: 'require' }), ['PGSSLMODE=require']);
    assert.deepStrictEqual(set({ ca: { existingSecret: 'ca' } }), ['PGSSLMODE=verify-full', file]);
    const named = { sslMode: 'verify-ca', ca: { existingSecret: 'ca' } };
    assert.deepStrictEqual(set(named), ['PGSSLMODE=verify-ca', file]);
  });

  await test('Migrations_AHookAnInitContainerOrNone', () => {
    const hook = one(render(SECURED), 'Job');
    assert.strictEqual(hook.metadata.annotations['helm.sh/hook'], 'pre-install,pre-upgrade');
    assert.deepStrictEqual(podOf(hook).containers[0].args, ['migrate', 'up']);
    const inPod = render(over(SECURED, { migrations: { mode: 'initContainer', existingSecret: 'owner' } }));
    assert.ok(!inPod.some(({ kind }) => kind === 'Job'));
    const [init] = podOf(one(inPod, 'Deployment')).initContainers;
    assert.strictEqual(init.env[0].valueFrom.secretKeyRef.name, 'owner');
    const granting = one(render(over(SECURED, { migrations: { existingSecret: 'owner', grantTo: 'A "b"' } })), 'Job');
    assert.deepStrictEqual(podOf(granting).containers[0].args, ['migrate', 'up', '--grant-to', 'A "b"']);
    const none = render(over(SECURED, { migrations: { mode: 'none' } }));
    assert.ok(!none.some(({ kind }) => kind === 'Job') && !podOf(one(none, 'Deployment')).initContainers);
  });

  await test('Migrations_AHookNeedsNothingOfTheRelease', () => {
    for (const file of ciFiles()) {
      const objects = render(ciValues(file));
      const hooks = objects.filter(({ metadata }) => /install/.test(metadata.annotations?.['helm.sh/hook']));
      for (const hook of hooks) {
        assert.strictEqual(hook.kind, 'Job', file); // another kind would stay when the Job fails
        const made = objects.filter((object) => object !== hook).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        const { serviceAccountName, containers, volumes = [] } = podOf(hook);
        const needed = [
          `ServiceAccount ${serviceAccountName}`,
          ...containers[0].env.map(({ valueFrom }) => `Secret ${valueFrom?.secretKeyRef.name}`),
          ...volumes.map(({ secret }) => `Secret ${secret.secretName}`),
        ];
        assert.deepStrictEqual(needed.filter((name) => made.includes(name)), [], file);
      }
    }
  });

  await test('Migrations_OfATrialRunInTheCoordinators', () => {
    const objects = render(TRIAL);
    assert.ok(!objects.some(({ kind }) => kind === 'Job'));
    const [init] = podOf(one(objects, 'Deployment')).initContainers;
    assert.deepStrictEqual(init.args, ['migrate', 'up']);
    assert.strictEqual(init.env[0].valueFrom.secretKeyRef.name, one(objects, 'Secret').metadata.name);
    const owner = render(over(TRIAL, { migrations: { existingSecret: 'owner' } }));
    assert.strictEqual(podOf(one(owner, 'Job')).containers[0].env[0].valueFrom.secretKeyRef.name, 'owner');
  });

  await test('Migrations_OfAJobThatFailsAreShownAndEndBeforeHelmGivesUp', () => {
    const { metadata, spec } = one(render(SECURED), 'Job');
    assert.ok(spec.activeDeadlineSeconds < 300); // helm's --timeout, when it is not given
    assert.doesNotMatch(metadata.annotations['helm.sh/hook-delete-policy'], /hook-failed/);
    assert.strictEqual(metadata.annotations['helm.sh/hook-output-log-policy'], 'hook-failed');
  });

  await test('Settings_LargeNumbersAreWrittenOut', () => {
    const more = over(TRIAL, { config: { retentionEvents: 5000000 } });
    assert.strictEqual(variable(more, 'VIGIL_RETENTION_EVENTS'), '5000000');
    assert.strictEqual(variable(TRIAL, 'VIGIL_RETENTION_EVENTS'), '1000000');
  });

  await test('Grants_AreLinesThatTheServerReads', () => {
    const map = one(render(ciValues('tokens-values.yaml')), 'ConfigMap');
    assert.deepStrictEqual(map.data.grants.trim().split('\n').slice(1),
      [
      'orders orders member,subscriber,claimer', 'dashboards * read-only', 'helm-test helm-test member,subscriber,claimer',
    ]);
  });

  await test('Image_TheDigestWinsOverTheTag', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const image = (more) => container(over(TRIAL, { image: more })).image;
    assert.strictEqual(image({ tag: 't' }), 'registry.example/vigil:t');
    assert.strictEqual(image({ tag: 't', digest }), `registry.example/vigil@${digest}`);
  });

  await test('Names_ReleasesOfTheChartsNameAreNotNamedTwice', () => {
    const named = (release, more = {}) => one(render(over(TRIAL, more), { release }), 'Deployment').metadata.name;
    assert.strictEqual(named('vigil'), 'vigil');
    assert.strictEqual(named('my'), 'my-vigil');
    const longest = render(TRIAL, { release: 'r'.repeat(53) });
    for (const { metadata } of longest) assert.ok(metadata.name.length <= 63, metadata.name);
  });

  await test('Alerts_TheOnesThatAreLeftOutAreLeftOut', () => {
    const names = (values) => one(render(values), 'PrometheusRule').spec.groups[0].rules.map(({ alert }) => alert);
    assert.ok(!names(ciValues('everything-values.yaml')).includes('VigilRpcErrors'));
    const single = over(TRIAL, { replicaCount: 1, prometheusRule: { enabled: true } });
    assert.ok(!names(single).includes('VigilRedundancyLost'));
  });

  await test('Notes_NameAFirstCommandAndWarn', () => {
    const trial = notes(over(TRIAL, { replicaCount: 1 }));
    assert.match(trial, /exec deployment\/v-vigil -c vigild -- \\\n +\/usr\/bin\/vigil run --pod first --work hello/);
    assert.match(trial, /WARNING: database\.url/);
    assert.match(trial, /WARNING: insecure/);
    assert.match(trial, /With one coordinator/);
    assert.ok(!trial.includes('hidden'));
    const secured = notes(SECURED);
    assert.doesNotMatch(secured, /WARNING/);
    assert.match(secured, /VIGIL_ADDRESS=v-vigil\.prod\.svc:7420,v-vigil-headless\.prod\.svc:7420/);
    assert.match(secured, /--token-file token --namespace default pods list/);
  });
};
