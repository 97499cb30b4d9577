// Two coordinators on one private Postgres for tests in a browser: one that the page follows and that is killed, and
// `vigild dev`, which brings the Postgres and hosts the pods.
'use strict';

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const checks = require('../support/checks.js');

const PROTO = path.join(__dirname, '..', '..', 'proto');
const VIGILD = path.join(process.env.VIGIL_BIN_DIR ?? path.join(__dirname, '../../build/dev/bin'), 'vigild');
const STEP_MILLIS = 60_000;

const { tally, within } = checks;

const check = (name, body) => checks.check(name, () => within(2 * STEP_MILLIS, name, body()));

class Vigild {
  constructor(words, environment = {}) {
    this.text = '';
    this.process = spawn(VIGILD, words, {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment },
    });
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => { this.text += error.message; resolve(null); });
      this.process.on('exit', (code) => resolve(code));
    });
    this.wake = () => {};
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (bytes) => { this.text += bytes; this.wake(); });
    }
  }

  // The match in what it has said, as soon as it is there.
  says(pattern) {
    const found = new Promise((resolve) => {
      this.wake = () => {
        const match = pattern.exec(this.text);
        if (match) resolve(match);
      };
      this.wake();
    });
    const died = this.ended.then(() => { throw new Error(`vigild ended:\n${this.text}`); });
    return within(STEP_MILLIS, `vigild, for ${pattern}`, Promise.race([found, died]));
  }

  end(signal) {
    this.process.kill(signal);
    return within(STEP_MILLIS, `vigild after ${signal}`, this.ended);
  }

  kill() {
    if (this.process.pid && this.process.exitCode === null) this.process.kill('SIGKILL');
  }
}

// A pod's session, spoken by hand and without heartbeats: it is over soon.
class Session {
  constructor(registry) {
    this.stream = registry.Session();
    this.stream.on('error', () => {});
  }

  ask(message, answer) {
    const answered = new Promise((resolve, reject) => {
      this.stream.on('data', (response) => { if (response[answer]) resolve(response[answer]); });
      this.stream.on('end', () => reject(new Error(`the stream ended before ${answer}`)));
    });
    this.stream.write(message);
    return within(STEP_MILLIS, `waiting for ${answer}`, answered);
  }

  async leave() {
    await this.ask({ leave: {} }, 'left');
    this.end();
  }

  end() {
    this.stream.end();
  }
}

class Cluster {
  // The addresses are those that the coordinators show to people: the one that hosts, and the one that is followed.
  constructor({ addresses = ['', ''] } = {}) {
    this.ports = { grpc: 0, http: 0 };
    [this.hostAddress, this.serverAddress] = addresses;
  }

  async start() {
    this.host = new Vigild(['dev', '--listen', '127.0.0.1:0', '--http-listen', 'off'],
      { VIGIL_ADVERTISE: this.hostAddress });
    const [, address] = await this.host.says(/listening on (127\.0\.0\.1:\d+)/);
    this.address = address;
    const [, directory, port] = await this.host.says(/psql -h (\S+) -p (\d+)/);
    const password = fs.readFileSync(path.join(directory, 'password'), 'utf8').trim();
    this.database = `host=${directory} port=${port} user=postgres password=${password} dbname=postgres`;
    const definition = protoLoader.loadSync('vigil/v1/pod_registry_service.proto', {
      includeDirs: [PROTO], keepCase: true, longs: String, enums: String, oneofs: true,
    });
    const { PodRegistryService } = grpc.loadPackageDefinition(definition).vigil.v1;
    this.registry = new PodRegistryService(address, grpc.credentials.createInsecure());
    await this.startServer();
  }

  // On the same ports as before.
  async startServer(settings = ['--position-interval', '300ms', '--subscriber-queue-events', '4']) {
    this.server = new Vigild(['serve', '--insecure', 'true', '--listen', `127.0.0.1:${this.ports.grpc}`,
      '--http-listen', `127.0.0.1:${this.ports.http}`, ...settings],
    { VIGIL_DATABASE: this.database, VIGIL_ADVERTISE: this.serverAddress });
    const [, http] = await this.server.says(/Serving HTTP\..* port=(\d+)/);
    const [, rpc] = await this.server.says(/Listening\..* port=(\d+)/);
    await this.server.says(/Joined the cluster\./);
    this.ports = { grpc: Number(rpc), http: Number(http) };
    this.origin = `http://127.0.0.1:${http}`;
  }

  // Runs SQL, as somebody who goes behind the coordinators' back.
  run(sql) {
    execFileSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', this.database, '-c', sql],
      { timeout: STEP_MILLIS });
  }

  killServer() {
    return this.server.end('SIGKILL');
  }

  async stopServer() {
    assert.strictEqual(await this.server.end('SIGTERM'), 0, 'the exit code of vigild');
  }

  // A pod that registers.
  async come(name, more = {}) {
    const session = new Session(this.registry);
    const register = { namespace: 'default', name, registration_id: randomUUID(), profile: 'PROFILE_FAST', ...more };
    await session.ask({ register }, 'registered');
    return session;
  }

  // Two events.
  async comeAndGo(name, labels = {}) {
    const session = await this.come(name, { labels });
    await session.leave();
  }

  logged() {
    return `${this.host?.text.slice(-2000)}\n---\n${this.server?.text.slice(-4000)}`;
  }

  kill() {
    this.server?.kill();
    this.host?.kill();
  }
}

// Stands between a page and the coordinator, as a proxy does, and stalls or cuts what passes.
class Relay {
  static async start(cluster) {
    const relay = new Relay();
    relay.pairs = new Set();
    relay.stalled = false;
    relay.heard = () => {};
    relay.server = net.createServer((page) => relay.#join(page, cluster.ports.http));
    await new Promise((resolve) => { relay.server.listen(0, '127.0.0.1', resolve); });
    relay.origin = `http://127.0.0.1:${relay.server.address().port}`;
    return relay;
  }

  #join(page, port) {
    const coordinator = net.connect(port, '127.0.0.1');
    const pair = { page, coordinator };
    this.pairs.add(pair);
    page.on('data', (bytes) => {
      this.heard(`${bytes}`);
      coordinator.write(bytes);
    });
    coordinator.on('data', (bytes) => page.write(bytes));
    if (this.stalled) coordinator.pause();
    for (const [socket, other] of [[page, coordinator], [coordinator, page]]) {
      socket.on('end', () => other.end());
      socket.on('error', () => other.destroy());
      socket.on('close', () => { other.destroySoon(); this.pairs.delete(pair); });
    }
  }

  // Takes nothing more from the coordinator.
  stall() {
    this.stalled = true;
    for (const { coordinator } of this.pairs) coordinator.pause();
  }

  goOn() {
    this.stalled = false;
    for (const { coordinator } of this.pairs) coordinator.resume();
  }

  cut() {
    for (const { page, coordinator } of this.pairs) {
      page.resetAndDestroy();
      coordinator.resetAndDestroy();
    }
  }

  // That of the next request for events.
  nextLastEventId() {
    const heard = new Promise((resolve) => {
      this.heard = (text) => {
        const found = /^GET \/v1\/events[\s\S]*^last-event-id: *(.*)\r$/im.exec(text);
        if (found) resolve(found[1]);
      };
    });
    return within(STEP_MILLIS, 'the next Last-Event-ID', heard);
  }

  close() {
    this.server.close();
    this.cut();
  }
}

// Tells the story of a cluster within this time, and exits: with 0 if every check of it passed.
async function run(cluster, millis, story) {
  process.on('exit', () => cluster.kill());
  try {
    await within(millis, 'the whole test', story(cluster));
  } catch (error) {
    console.log(error.stack);
    console.log(`vigild's last words:\n${cluster.logged()}`);
    tally.failed ||= 1;
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  process.exit(tally.failed === 0 ? 0 : 1);
}

module.exports = { Cluster, Relay, Vigild, check, run, within };
