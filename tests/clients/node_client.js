// A client in Node made from proto/ alone: calls with their errors, a pod, and the log.
'use strict';

const assert = require('node:assert');
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');
const { within } = require('../support/checks.js');

const PROTO = path.join(__dirname, '..', '..', 'proto');
const NAMESPACE = 'from-node';
const STEP_MILLIS = 10_000; // one call, or one awaited message

function loadServices() {
  const ours = ['pod_registry', 'pod_event', 'work'].map((name) => `vigil/v1/${name}_service.proto`);
  const files = [...ours, 'grpc/health/v1/health.proto'];
  const definition = protoLoader.loadSync(files, {
    includeDirs: [PROTO], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
  });
  const loaded = grpc.loadPackageDefinition(definition);
  return { ...loaded.vigil.v1, ...loaded.grpc.health.v1 };
}

function loadErrorTypes() {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => path.join(PROTO, target);
  root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);
  return { Status: root.lookupType('google.rpc.Status'), ErrorInfo: root.lookupType('google.rpc.ErrorInfo') };
}

const vigil = loadServices();
const { Status, ErrorInfo } = loadErrorTypes();

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + STEP_MILLIS }, (error, response) =>
      error ? reject(error) : resolve(response));
  });
}

// The google.rpc.ErrorInfo that an error status carries.
function errorInfo(error) {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  assert.ok(details, `no details in: ${error.message}`);
  const any = Status.decode(details).details.find((one) => one.type_url.endsWith('/google.rpc.ErrorInfo'));
  assert.ok(any, 'no ErrorInfo in the details');
  return ErrorInfo.decode(any.value);
}

async function refusal(promise, code, reason) {
  const error = await promise.then(() => null, (failure) => failure);
  assert.ok(error, 'it was not refused');
  assert.strictEqual(error.code, code, `${error.message}`);
  const info = errorInfo(error);
  assert.strictEqual(info.domain, 'vigil');
  assert.strictEqual(info.reason, reason);
  assert.ok(info.metadata.hint, 'no hint');
  return info;
}

// The messages of a stream, waited for one at a time.
class Inbox {
  constructor(stream) {
    this.messages = [];
    this.failure = null;
    this.wake = () => {};
    stream.on('data', (message) => this.#arrived(() => this.messages.push(message)));
    stream.on('error', (error) => this.#arrived(() => { this.failure ??= error; }));
    stream.on('end', () => this.#arrived(() => { this.failure ??= new Error('the stream ended'); }));
  }

  #arrived(keep) {
    keep();
    this.wake();
  }

  // The next message with this field set; others before it are dropped, as a client should.
  next(field) {
    return within(STEP_MILLIS, `waiting for ${field}`, this.#next(field));
  }

  async #next(field) {
    for (;;) {
      while (this.messages.length > 0) {
        const message = this.messages.shift();
        if (message[field]) return message[field];
      }
      if (this.failure) throw this.failure;
      await new Promise((resolve) => { this.wake = resolve; });
    }
  }
}

// A pod: one stream, registered, with a heartbeat at once and then as often as the coordinator asked for it.
class Pod {
  static async register(registry, name) {
    const pod = new Pod();
    pod.stream = registry.Session();
    pod.inbox = new Inbox(pod.stream);
    pod.stream.write({
      register: { namespace: NAMESPACE, name, registration_id: randomUUID(), profile: 'PROFILE_FAST' },
    });
    pod.registered = await pod.inbox.next('registered');
    pod.incarnation = pod.registered.pod.incarnation;
    const { seconds, nanos } = pod.registered.terms.heartbeat_interval;
    pod.number = 0;
    pod.heartbeat();
    pod.heartbeats = setInterval(() => pod.heartbeat(), Number(seconds) * 1000 + nanos / 1e6);
    return pod;
  }

  heartbeat() {
    this.number += 1;
    this.stream.write({ heartbeat: { number: this.number } });
  }

  async leave() {
    clearInterval(this.heartbeats);
    this.stream.write({ leave: {} });
    await this.inbox.next('left');
    this.stream.end();
  }

  // As a crash looks to the coordinator: no Leave, no Detach.
  vanish() {
    clearInterval(this.heartbeats);
    this.stream.cancel();
  }
}

// A subscription from now. Each event must bear the number that follows.
class Log {
  static async open(client) {
    const log = new Log();
    log.stream = client.Subscribe({ namespace: NAMESPACE, from_now: {} });
    log.inbox = new Inbox(log.stream);
    log.pods = [];
    let part;
    do {
      part = await log.inbox.next('snapshot');
      log.pods.push(...part.pods);
    } while (!part.cursor);
    log.pending = [];
    log.seq = null;
    return log;
  }

  async next() {
    while (this.pending.length === 0) this.pending = (await this.inbox.next('events')).events;
    const event = this.pending.shift();
    const seq = BigInt(event.seq);
    if (this.seq !== null) assert.strictEqual(seq, this.seq + 1n, 'a gap in the log'); // P8
    this.seq = seq;
    return event;
  }

  async until(kind) {
    for (;;) {
      const event = await this.next();
      if (event.kind === kind) return event;
    }
  }
}

module.exports = { call, Inbox, Log, NAMESPACE, Pod, refusal, STEP_MILLIS, vigil };
