// What the chart renders, run: the real binaries with the arguments and variables of its containers. What the kubelet
// would put in is put in here: variables by reference, files, names, and ports that the kernel chooses.
'use strict';

const assert = require('node:assert');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { Vigild } = require('../browser/cluster.js');
const { within } = require('../support/checks.js');
const { Balancer } = require('./balancer.js');
const {
  ROOT, TRIAL, chartFile, one, over, parseAll, podOf, render,
} = require('./helm.js');

const BINARIES = process.env.VIGIL_BIN_DIR ?? path.join(ROOT, 'build/dev/bin');
const STEP_MILLIS = 60_000;
const POLL_MILLIS = 20;
const run = promisify(execFile);

// A container, as somewhere on this machine: `variables` and `fields` win over what is rendered, `files` is its root.
class Container {
  constructor(spec, { variables = {}, fields = {}, files = '' }) {
    this.files = files;
    this.variables = {};
    for (const { name, value, valueFrom } of spec.env) {
      const text = value ?? fields[valueFrom.fieldRef?.fieldPath];
      this.variables[name] = variables[name] ?? this.#here(this.#expanded(text));
      assert.ok(this.variables[name] !== undefined, `${spec.name} needs ${name}`);
    }
    const entrypoint = spec.command ?? ['/usr/bin/vigild'];
    this.words = [...entrypoint, ...(spec.args ?? [])].map((word) => this.#here(this.#expanded(word)));
  }

  // $(NAME) of a variable above.
  #expanded(text) {
    return text?.replace(/\$\((\w+)\)/g, (_, name) => this.variables[name]);
  }

  // The same file on this machine.
  #here(text) {
    return text?.replace(/^\/usr\/bin\/(?=vigild?$)/, `${BINARIES}/`)
      .replace(/^(?=\/(?:app|etc\/vigil)\/)/, this.files);
  }

  get environment() {
    return { PATH: process.env.PATH, ...this.variables };
  }

  async run() {
    const [file, ...words] = this.words;
    return run(file, words, { env: this.environment, timeout: STEP_MILLIS });
  }
}

// `vigild dev` for its Postgres, and a database of the release's own in it.
async function startDatabase() {
  const host = new Vigild(['dev', '--listen', '127.0.0.1:0', '--http-listen', 'off']);
  const [, directory, port] = await host.says(/psql -h (\S+) -p (\d+)/);
  const password = fs.readFileSync(path.join(directory, 'password'), 'utf8').trim();
  await run('psql', ['-h', directory, '-p', port, '-U', 'postgres', '-c', 'CREATE DATABASE release'],
    { env: { ...process.env, PGPASSWORD: password }, timeout: STEP_MILLIS });
  return { host, conninfo: `host=${directory} port=${port} user=postgres password=${password} dbname=release` };
}

// One of the Deployment's.
async function startCoordinator(spec, conninfo, kept) {
  const { words, variables } = new Container(spec, {
    variables: { VIGIL_DATABASE: conninfo, VIGIL_LISTEN: '127.0.0.1:0', VIGIL_HTTP_LISTEN: '127.0.0.1:0' },
    fields: { 'status.podIP': '127.0.0.1' },
  });
  const server = new Vigild(words.slice(1), variables);
  kept.push(server);
  [, server.http] = await server.says(/Serving HTTP\..*?"port":"?(\d+)/);
  [, server.grpc] = await server.says(/Listening\..*?"port":"?(\d+)/);
  await server.says(/Joined the cluster\./);
  return server;
}

// As the kubelet does it, until it is answered.
async function answered(url) {
  while ((await fetch(url)).status !== 200) await new Promise((resolve) => { setTimeout(resolve, POLL_MILLIS); });
}

// A process that plays an application's pod, and what it says.
class Pod {
  constructor([file, ...words], environment) {
    this.text = '';
    this.wake = () => {};
    this.process = spawn(file, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (bytes) => { this.text += bytes; this.wake(); });
    }
  }

  says(pattern) {
    return within(STEP_MILLIS, `${pattern}`, new Promise((resolve) => {
      this.wake = () => { if (pattern.test(this.text)) resolve(this); };
      this.wake();
    }));
  }

  kill(signal) {
    this.process.kill(signal);
  }
}

module.exports = async (test) => {
  const files = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-pod-'));
  const objects = render(over(TRIAL, { listenHost: '127.0.0.1' }));
  const kept = [];
  const place = { VIGIL_NAMESPACE: 'helm-test' };
  let database;
  try {
    await test('Running_AReleaseHasADatabase', async () => {
      database = await startDatabase();
      kept.push(database.host);
    });

    await test('Running_TheHookMigrates', async () => {
      const variables = { VIGIL_DATABASE: database.conninfo };
      const job = new Container(podOf(one(objects, 'Job')).containers[0], { variables });
      assert.match((await job.run()).stdout, /^applied 0001\n/);
      assert.strictEqual((await job.run()).stdout, 'nothing to apply\n');
    });

    await test('Running_TheDeploymentServesAndItsProbesAreAnswered', async () => {
      const [spec] = podOf(one(objects, 'Deployment')).containers;
      const server = await startCoordinator(spec, database.conninfo, kept);
      place.VIGIL_ADDRESS = `127.0.0.1:${server.grpc}`;
      for (const { httpGet } of [spec.livenessProbe, spec.readinessProbe]) {
        await within(STEP_MILLIS, httpGet.path, answered(`http://127.0.0.1:${server.http}${httpGet.path}`));
      }
    });

    await test('Running_TheTestPodJoinsSeesItselfAndLeaves', async () => {
      const [spec] = podOf(one(objects, 'Pod')).containers;
      for (const uid of ['3b241101-e2bb-4255-8caf-4136c566a962', '9f86d081-884c-4d63-a1b2-7f0c3d5e6a71']) {
        const fields = { 'metadata.name': 'v-vigil-test', 'metadata.uid': uid };
        const { stdout } = await new Container(spec, { variables: place, fields }).run();
        assert.match(stdout, / v-vigil-test +ALIVE /);
      }
      const words = ['--output', 'json', 'pods', 'get', 'v-vigil-test'];
      const { stdout } = await run(path.join(BINARIES, 'vigil'), words, { env: { ...process.env, ...place } });
      assert.strictEqual(JSON.parse(stdout).state, 'LEFT');
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
      const old = await startCoordinator(spec, database.conninfo, kept);
      const services = await Promise.all([0, 1].map(() => Balancer.start([old])));
      kept.push(...services);
      const addresses = services.map(({ address }) => address);
      const words = ['--address', addresses.join(), '--output', 'json', 'run', '--pod', 'moving', '--work', 'moving'];
      const pod = new Pod([path.join(BINARIES, 'vigil'), ...words, '--', 'tail', '-f', '/dev/null'], process.env);
      kept.push(pod);
      await pod.says(/"event":"running"/);
      const next = await startCoordinator(spec, database.conninfo, kept);
      for (const service of services) service.ready = [next]; // what preStop waits for
      assert.strictEqual(await old.end('SIGTERM'), 0);
      assert.match(pod.text, /"event":"alive"/);
      assert.doesNotMatch(pod.text, /"event":"(suspended|lost)"/);
    });
  } finally {
    for (const each of kept.reverse()) each.kill('SIGKILL');
    fs.rmSync(files, { recursive: true });
  }
};
