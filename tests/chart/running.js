// What the chart renders, run: the hook migrates, the coordinators serve, the pod of helm test passes, the application of
// the example survives its pod, and an upgrade moves pods.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Balancer } = require('./balancer.js');
const {
  BINARIES, Container, Pod, answered, startCoordinator, startPostgres, vigil,
} = require('./containers.js');
const secured = require('./secured.js');
const {
  TRIAL, chartFile, one, over, parseAll, podOf, render,
} = require('./helm.js');

module.exports = async (test) => {
  const files = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-pod-'));
  const database = { url: '', existingSecret: 'db' };
  const objects = render(over(TRIAL, { database, listenHost: '127.0.0.1', preStopDelay: '50ms' }));
  const kept = [];
  const place = { VIGIL_NAMESPACE: 'helm-test' };
  let postgres;
  let conninfo;
  try {
    await test('Running_AReleaseHasADatabase', async () => {
      postgres = await startPostgres();
      kept.push(postgres.host);
      conninfo = await postgres.newDatabase('trial');
    });

    await test('Running_TheHookMigrates', async () => {
      const variables = { VIGIL_DATABASE: conninfo };
      const job = new Container(podOf(one(objects, 'Job')).containers[0], { variables });
      assert.match((await job.run()).stdout, /^applied 0001\n/);
      assert.strictEqual((await job.run()).stdout, 'nothing to apply\n');
    });

    await test('Running_TheDeploymentServesAndItsProbesAreAnswered', async () => {
      const [spec] = podOf(one(objects, 'Deployment')).containers;
      const server = await startCoordinator(spec, conninfo, kept);
      place.VIGIL_ADDRESS = `127.0.0.1:${server.grpc}`;
      for (const { httpGet } of [spec.livenessProbe, spec.readinessProbe]) {
        await answered(`http://127.0.0.1:${server.http}${httpGet.path}`);
      }
    });

    await test('Running_PreStopWaitsAndIsThroughWithIt', async () => {
      const { command } = podOf(one(objects, 'Deployment')).containers[0].lifecycle.preStop.exec;
      await new Container({ name: 'preStop', env: [], command }, {}).run();
    });

    await test('Running_TheTestPodJoinsSeesItselfAndLeaves', async () => {
      const [spec] = podOf(one(objects, 'Pod')).containers;
      for (const uid of ['3b241101-e2bb-4255-8caf-4136c566a962', '9f86d081-884c-4d63-a1b2-7f0c3d5e6a71']) {
        const fields = { 'metadata.name': 'v-vigil-test', 'metadata.uid': uid };
        const { stdout } = await new Container(spec, { variables: place, fields }).run();
        assert.match(stdout, / v-vigil-test +ALIVE /);
      }
      const shown = await vigil(['--output', 'json', 'pods', 'get', 'v-vigil-test'], place);
      assert.strictEqual(JSON.parse(shown).state, 'LEFT');
    });

    await test('Running_TheApplicationOfTheExampleSurvivesItsPod', async () => {
      fs.mkdirSync(path.join(files, 'app'));
      const report = '#!/bin/sh\necho "reporting as $VIGIL_POD"\nexec tail -f /dev/null\n';
      fs.writeFileSync(path.join(files, 'app', 'report'), report, { mode: 0o755 });
      const [spec] = podOf(parseAll(chartFile('examples/application.yaml'))[0]).containers;
      const env = spec.env.filter(({ name }) => !['VIGIL_TLS_CA', 'VIGIL_TOKEN_FILE'].includes(name));
      const start = (name) => {
        const variables = { VIGIL_ADDRESS: place.VIGIL_ADDRESS };
        const fields = { 'metadata.name': `orders-report-${name}` };
        const { words, environment } = new Container({ ...spec, env }, { variables, fields, files });
        const pod = new Pod(words, environment);
        kept.push(pod);
        return pod;
      };
      const first = start('a');
      await first.says(/reporting as orders-report-a/);
      const second = start('b');
      await second.says(/standing by: daily-report is owned by orders-report-a /);
      first.kill('SIGKILL');
      await second.says(/reporting as orders-report-b/);
    });

    await test('Running_AnUpgradeMovesAPodWithBothNamesAtOnce', async () => {
      const [spec] = podOf(one(objects, 'Deployment')).containers;
      const old = await startCoordinator(spec, conninfo, kept);
      const services = await Promise.all([0, 1].map(() => Balancer.start([old])));
      kept.push(...services);
      const addresses = services.map(({ address }) => address);
      const words = ['--address', addresses.join(), '--output', 'json', 'run', '--pod', 'moving', '--work', 'moving'];
      const pod = new Pod([path.join(BINARIES, 'vigil'), ...words, '--', 'tail', '-f', '/dev/null'], process.env);
      kept.push(pod);
      await pod.says(/"event":"running"/);
      const next = await startCoordinator(spec, conninfo, kept);
      for (const service of services) service.ready = [next]; // what preStop waits for
      assert.strictEqual(await old.end('SIGTERM'), 0);
      assert.match(pod.text, /"event":"alive"/);
      assert.doesNotMatch(pod.text, /"event":"(suspended|lost)"/);
    });
    await secured(test, { postgres, kept, files });
  } finally {
    for (const each of kept.reverse()) each.kill('SIGKILL');
    fs.rmSync(files, { recursive: true });
  }
};
