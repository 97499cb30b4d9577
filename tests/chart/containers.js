// The containers of rendered pods as processes on this machine, with the real binaries. What the kubelet would put in
// is put in here: variables by reference, files, names, and ports that the kernel chooses.
'use strict';

const assert = require('node:assert');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { Vigild } = require('../browser/cluster.js');
const { within } = require('../support/checks.js');
const { ROOT } = require('./helm.js');

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

// `vigild dev` for its Postgres, in which releases get databases of their own.
async function startPostgres() {
  const host = new Vigild(['dev', '--listen', '127.0.0.1:0', '--http-listen', 'off']);
  const [, directory, port] = await host.says(/psql -h (\S+) -p (\d+)/);
  const password = fs.readFileSync(path.join(directory, 'password'), 'utf8').trim();
  const ask = (...commands) => run('psql',
    ['-h', directory, '-p', port, '-U', 'postgres', ...commands.flatMap((command) => ['-c', command])],
    { env: { ...process.env, PGPASSWORD: password }, timeout: STEP_MILLIS });
  const newDatabase = async (name) => {
    await ask(`CREATE DATABASE ${name}`);
    return `host=${directory} port=${port} user=postgres password=${password} dbname=${name}`;
  };
  // On 127.0.0.1, from the next connection on.
  const serveTls = async ({ key, chain }) => {
    const { uid, gid } = fs.statSync(directory);
    for (const [name, text] of Object.entries({ key, cert: chain })) {
      const file = path.join(directory, `tls-${name}.pem`);
      fs.writeFileSync(file, text, { mode: 0o600 });
      fs.chownSync(file, uid, gid);
      await ask(`ALTER SYSTEM SET ssl_${name}_file = '${file}'`);
    }
    await ask('ALTER SYSTEM SET ssl = on', 'SELECT pg_reload_conf()');
  };
  return { host, newDatabase, serveTls };
}

// One of the Deployment's.
async function startCoordinator(spec, conninfo, kept, files) {
  const { words, variables } = new Container(spec, {
    variables: { VIGIL_DATABASE: conninfo, VIGIL_LISTEN: '127.0.0.1:0', VIGIL_HTTP_LISTEN: '127.0.0.1:0' },
    fields: { 'status.podIP': '127.0.0.1' },
    files,
  });
  const server = new Vigild(words.slice(1), variables);
  kept.push(server);
  [, server.http] = await server.says(/Serving HTTP\..*?"port":"?(\d+)/);
  [, server.grpc] = await server.says(/Listening\..*?"port":"?(\d+)/);
  await server.says(/Joined the cluster\./);
  return server;
}

// Asks as the kubelet does, until the answer is yes.
function answered(url) {
  const ask = async () => {
    while ((await fetch(url)).status !== 200) await new Promise((resolve) => { setTimeout(resolve, POLL_MILLIS); });
  };
  return within(STEP_MILLIS, url, ask());
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

// What `vigil` prints, for somebody who has all that `environment` says.
async function vigil(words, environment) {
  const options = { env: { ...process.env, ...environment }, timeout: STEP_MILLIS };
  return (await run(path.join(BINARIES, 'vigil'), words, options)).stdout;
}

module.exports = {
  BINARIES, Container, Pod, answered, startCoordinator, startPostgres, vigil,
};
