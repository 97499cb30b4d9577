// The chart with TLS, tokens and grants, with the values that its page installs it with, run: every file is where the
// containers look for it, and says what it should.
'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { Container, Pod, startCoordinator } = require('./containers.js');
const {
  chartFile, one, over, pageValues, parseAll, podOf, render,
} = require('./helm.js');

const TOKENS = { 'helm-test': 'token-of-helm-test-0123456789', orders: 'token-of-orders-0123456789' };

// A key, and a certificate for this machine that is its own authority.
function certificate(directory) {
  const [key, chain] = ['key', 'chain'].map((name) => path.join(directory, `${name}.pem`));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-keyout', key, '-out', chain, '-subj', '/CN=vigil', '-addext', 'subjectAltName=IP:127.0.0.1'],
  { stdio: 'ignore' });
  return { key: fs.readFileSync(key, 'utf8'), chain: fs.readFileSync(chain, 'utf8') };
}

// The volumes of a pod where its first container mounts them, below `files`; Secrets and ConfigMaps by their names.
function mount(spec, held, files) {
  for (const { name, mountPath } of spec.containers[0].volumeMounts) {
    const { secret, configMap } = spec.volumes.find((volume) => volume.name === name);
    const data = held[secret?.secretName ?? configMap.name];
    const { items = Object.keys(data).map((key) => ({ key, path: key })), optional = false } = secret ?? configMap;
    fs.mkdirSync(path.join(files, mountPath), { recursive: true });
    for (const item of items) {
      assert.ok(data[item.key] !== undefined || optional, `${name} has no ${item.key}`);
      if (data[item.key] !== undefined) fs.writeFileSync(path.join(files, mountPath, item.path), data[item.key]);
    }
  }
}

module.exports = async (test, { postgres, kept, files }) => {
  const conninfo = await postgres.newDatabase('secured');
  const here = { listenHost: '127.0.0.1', migrations: { mode: 'initContainer' } };
  const values = over(pageValues(), here);
  const objects = render(values);
  const [coordinator, testPod] = ['Deployment', 'Pod'].map((kind) => podOf(one(objects, kind)));
  const grants = one(objects, 'ConfigMap');
  const { key, chain } = certificate(files);
  const held = {
    'vigil-database-ca': { 'ca.crt': chain },
    'vigil-tls': { 'tls.crt': chain, 'tls.key': key, 'ca.crt': chain },
    'vigil-tokens': { tokens: Object.entries(TOKENS).map((pair) => `${pair.join(' ')}\n`).join('') },
    'vigil-test-token': { token: TOKENS['helm-test'] },
    'orders-vigil': { 'ca.crt': chain, token: TOKENS.orders },
    [grants.metadata.name]: grants.data,
  };
  const place = (name) => path.join(files, name);
  const fields = { 'metadata.name': 'v-vigil-test', 'metadata.uid': '3b241101-e2bb-4255-8caf-4136c566a962' };
  let address;

  await test('Secured_TheInitContainerMigrates', async () => {
    const [migrate] = coordinator.initContainers;
    const { stdout } = await new Container(migrate, { variables: { VIGIL_DATABASE: conninfo } }).run();
    assert.match(stdout, /^applied 0001\n/);
  });

  await test('Secured_TheDeploymentServesTls', async () => {
    mount(coordinator, held, place('server'));
    const server = await startCoordinator(coordinator.containers[0], conninfo, kept, place('server'));
    address = { VIGIL_ADDRESS: `127.0.0.1:${server.grpc}` };
  });

  // No sslmode in the string, as the Secrets of operators have it.
  await test('Secured_TheDatabaseIsTheOneThatItsCertificateNames', async () => {
    await postgres.serveTls({ key, chain });
    const migrate = (host, root) => {
      const variables = { VIGIL_DATABASE: conninfo.replace(/host=\S+/, `host=${host}`) };
      return new Container(coordinator.initContainers[0], { variables, files: root }).run();
    };
    assert.strictEqual((await migrate('127.0.0.1', place('server'))).stdout, 'nothing to apply\n');
    await assert.rejects(migrate('localhost', place('server')), ({ stderr }) => {
      assert.match(stderr, /does not match host name/);
      return true;
    });
    const authority = path.join(place('stranger'), 'etc/vigil/database-ca/ca.crt');
    fs.mkdirSync(path.dirname(authority), { recursive: true });
    fs.writeFileSync(authority, certificate(place('stranger')).chain);
    await assert.rejects(migrate('127.0.0.1', place('stranger')), ({ stderr }) => {
      assert.match(stderr, /certificate verify failed/);
      return true;
    });
  });

  await test('Secured_TheTestPodShowsItsToken', async () => {
    mount(testPod, held, place('test'));
    const container = new Container(testPod.containers[0], { variables: address, fields, files: place('test') });
    assert.match((await container.run()).stdout, / v-vigil-test +ALIVE /);
  });

  await test('Secured_ATestPodWithoutAnAuthoritySaysSo', async () => {
    const { 'ca.crt': authority, ...made } = held['vigil-tls']; // by kubectl create secret tls
    assert.ok(authority);
    mount(testPod, { ...held, 'vigil-tls': made }, place('alone'));
    const container = new Container(testPod.containers[0], { variables: address, fields, files: place('alone') });
    await assert.rejects(container.run(), (error) => {
      assert.strictEqual(error.code, 2); // wrong usage
      assert.match(error.stderr, /etc\/vigil\/server-ca\/ca\.crt cannot be read/);
      return true;
    });
  });

  await test('Secured_ATokenThatNobodyGaveIsRefused', async () => {
    mount(testPod, { ...held, 'vigil-test-token': { token: 'token-of-nobody-0123456789' } }, place('nobody'));
    const container = new Container(testPod.containers[0], { variables: address, fields, files: place('nobody') });
    await assert.rejects(container.run(), (error) => {
      assert.strictEqual(error.code, 122); // refused
      assert.ok(!`${error.stdout}${error.stderr}`.includes('token-of-nobody'));
      return true;
    });
  });

  await test('Secured_TheApplicationOfTheExampleWorks', async () => {
    const spec = podOf(parseAll(chartFile('examples/application.yaml'))[0]);
    mount(spec, held, place('orders'));
    fs.mkdirSync(path.join(place('orders'), 'app'));
    const report = '#!/bin/sh\necho "reporting as $VIGIL_POD"\n';
    fs.writeFileSync(path.join(place('orders'), 'app', 'report'), report, { mode: 0o755 });
    const { words, environment } = new Container(spec.containers[0], {
      variables: address, fields: { 'metadata.name': 'orders-report-a' }, files: place('orders'),
    });
    const pod = new Pod(words, environment);
    kept.push(pod);
    await pod.says(/reporting as orders-report-a/);
  });
};
