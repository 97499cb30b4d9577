// A Node client made from proto/ alone: joins a cluster, hears of a death, takes the work over.
//
// Starts `vigild dev` from VIGIL_BIN_DIR. Prints a line for each check and ends with "N passed, N failed".
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');
const { check, tally, within } = require('../support/checks.js');

const PROTO = path.join(__dirname, '..', '..', 'proto');
const VIGILD = path.join(process.env.VIGIL_BIN_DIR ?? path.join(__dirname, '../../build/dev/bin'), 'vigild');
const NAMESPACE = 'from-node';
const STEP_MILLIS = 10_000; // one call, or one awaited message
const START_MILLIS = 60_000; // vigild, with a Postgres of its own
const WHOLE_MILLIS = 150_000;

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

// --- calls and streams ----------------------------------------------------------------------------------------------

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

// --- vigild ---------------------------------------------------------------------------------------------------------

class Coordinator {
  constructor() {
    this.printed = '';
    this.logged = '';
    this.process = spawn(VIGILD, ['dev', '--listen', '127.0.0.1:0', '--http-listen', 'off'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => { this.logged += error.message; resolve(null); });
      this.process.on('exit', (code) => resolve(code));
    });
    this.process.stderr.on('data', (bytes) => { this.logged = (this.logged + bytes).slice(-4000); });
  }

  async address() {
    const spoke = new Promise((resolve) => {
      this.process.stdout.on('data', (bytes) => {
        this.printed += bytes;
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(this.printed);
        if (found) resolve(found[1]);
      });
    });
    const died = this.ended.then(() => { throw new Error('vigild ended before it listened'); });
    return within(START_MILLIS, 'vigild dev', Promise.race([spoke, died]));
  }

  async stop() {
    this.process.kill('SIGTERM');
    return within(STEP_MILLIS, 'vigild after SIGTERM', this.ended);
  }

  kill() {
    if (this.process.pid && this.process.exitCode === null) this.process.kill('SIGKILL');
  }
}

// --- the story ------------------------------------------------------------------------------------------------------

async function joinCluster(registry, events, health) {
  await check('Health_TellsWhenPodsMayRegister', async () => {
    const stream = health.Watch({ service: 'vigil.v1.PodRegistryService' });
    const inbox = new Inbox(stream);
    while ((await inbox.next('status')) !== 'SERVING') ;
    stream.cancel();
  });
  await check('Register_BadNameIsRefusedWithItsField', async () => {
    const stream = registry.Session();
    const inbox = new Inbox(stream);
    stream.write({ register: { namespace: 'Not A Label', name: 'a', registration_id: randomUUID() } });
    const info = await refusal(inbox.next('registered'), grpc.status.INVALID_ARGUMENT, 'INVALID_FIELD');
    assert.ok(info.metadata.field, 'the error names no field');
  });
  const victim = await check('Session_RegistersAPod', async () => {
    const pod = await Pod.register(registry, 'victim');
    assert.strictEqual(pod.registered.pod.state, 'POD_STATE_ALIVE');
    assert.strictEqual(pod.registered.pod.profile, 'PROFILE_FAST');
    assert.ok(pod.registered.session_token, 'no session token');
    return pod;
  });
  await check('Session_AnswersAHeartbeatWithALease', async () => {
    const answer = await victim.inbox.next('heartbeat');
    assert.strictEqual(answer.number, '1');
    assert.strictEqual(answer.lease_granted, true);
  });
  const log = await check('Subscribe_FromNowBeginsWithASnapshot', async () => {
    const opened = await Log.open(events);
    assert.deepStrictEqual(opened.pods.map((pod) => pod.name), ['victim']);
    return opened;
  });
  const survivor = await check('Subscribe_DeliversARegistration', async () => {
    const pod = await Pod.register(registry, 'survivor');
    const event = await log.until('EVENT_KIND_POD_REGISTERED');
    assert.strictEqual(event.pod_name, 'survivor');
    assert.strictEqual(event.incarnation, pod.incarnation);
    assert.ok(BigInt(pod.incarnation) > BigInt(victim.incarnation), 'incarnations do not grow');
    return pod;
  });
  return { victim, survivor, log };
}

async function takeOver({ victim, survivor, log }, registry, work) {
  const rival = await Pod.register(registry, 'rival');
  const item = { namespace: NAMESPACE, key: 'import-7' };
  const started = await check('StartWork_MakesTheCallerItsOwner', async () => {
    const answer = await call(work, 'StartWork', { ...item, incarnation: victim.incarnation, payload: Buffer.from('s3') });
    assert.strictEqual(answer.outcome, 'START_OUTCOME_STARTED');
    assert.strictEqual(answer.item.owner, victim.incarnation);
    return answer.item;
  });
  const expected = { ...item, expected_owner: victim.incarnation, expected_fence: started.fence };
  await check('ClaimWork_TheLivingCannotBeRobbed', async () => { // P6
    const info = await refusal(call(work, 'ClaimWork', { ...expected, incarnation: survivor.incarnation }),
      grpc.status.FAILED_PRECONDITION, 'OWNER_ALIVE');
    assert.strictEqual(info.metadata.owner, victim.incarnation);
  });
  await check('Subscribe_DeliversTheDeathOfAPodWhoseStreamBroke', async () => { // P3
    victim.vanish();
    const event = await log.until('EVENT_KIND_POD_DIED');
    assert.strictEqual(event.pod_name, 'victim');
    assert.strictEqual(event.incarnation, victim.incarnation);
    assert.strictEqual(event.cause, 'CAUSE_STREAM_ENDED');
    assert.strictEqual(event.orphans, 1);
    assert.strictEqual(event.evidence, 'EVIDENCE_STRONG');
  });
  const claimed = await check('ClaimWork_GivesTheOrphanAHigherFence', async () => { // P5
    const answer = await call(work, 'ClaimWork', { ...expected, incarnation: survivor.incarnation });
    assert.strictEqual(answer.outcome, 'CLAIM_OUTCOME_CLAIMED');
    assert.strictEqual(answer.item.owner, survivor.incarnation);
    assert.ok(BigInt(answer.item.fence) > BigInt(started.fence), 'the fence did not grow');
    assert.strictEqual(answer.item.payload.toString(), 's3');
    const event = await log.until('EVENT_KIND_WORK_CLAIMED');
    assert.strictEqual(event.previous_owner, victim.incarnation);
    assert.strictEqual(event.fence, answer.item.fence);
    return answer.item;
  });
  await check('ClaimWork_RepeatedByTheWinnerSaysClaimedAgain', async () => {
    const answer = await call(work, 'ClaimWork', { ...expected, incarnation: survivor.incarnation });
    assert.strictEqual(answer.outcome, 'CLAIM_OUTCOME_CLAIMED');
    assert.strictEqual(answer.item.fence, claimed.fence);
  });
  await check('ClaimWork_WithOldExpectationsIsLost', async () => {
    const answer = await call(work, 'ClaimWork', { ...expected, incarnation: rival.incarnation });
    assert.strictEqual(answer.outcome, 'CLAIM_OUTCOME_LOST');
    assert.strictEqual(answer.item.owner, survivor.incarnation);
  });
  await check('CheckpointWork_WithAStaleFenceIsFenced', async () => {
    const stale = { ...item, incarnation: survivor.incarnation, fence: started.fence, checkpoint: Buffer.from('old') };
    const info = await refusal(call(work, 'CheckpointWork', stale), grpc.status.FAILED_PRECONDITION, 'FENCED');
    assert.strictEqual(info.metadata.owner, survivor.incarnation);
    assert.strictEqual(info.metadata.fence, claimed.fence);
  });
  await check('CheckpointWork_ByTheDeadIsRefused', async () => {
    const late = { ...item, incarnation: victim.incarnation, fence: started.fence, checkpoint: Buffer.from('late') };
    const info = await refusal(call(work, 'CheckpointWork', late), grpc.status.FAILED_PRECONDITION, 'FENCED');
    assert.strictEqual(info.metadata.owner, survivor.incarnation);
    const unknown = { ...late, fence: claimed.fence };
    await refusal(call(work, 'CheckpointWork', unknown), grpc.status.FAILED_PRECONDITION, 'INCARNATION_ENDED');
  });
  await check('CompleteWork_ByTheOwnerIsFinal', async () => {
    const mine = { ...item, incarnation: survivor.incarnation, fence: claimed.fence };
    await call(work, 'CheckpointWork', { ...mine, checkpoint: Buffer.from('half') });
    const answer = await call(work, 'CompleteWork', { ...mine, result: Buffer.from('done') });
    assert.strictEqual(answer.item.state, 'WORK_STATE_COMPLETED');
    assert.strictEqual(answer.item.checkpoint.toString(), 'half');
  });
  return rival;
}

async function readWithAFilter(events) {
  const filter = { kinds: ['EVENT_KIND_POD_DIED'] };
  const first = await check('Subscribe_AFilterChoosesAndThePositionTellsTheRest', async () => { // P8
    const stream = events.Subscribe({ namespace: NAMESPACE, from_oldest: {}, filter });
    const inbox = new Inbox(stream);
    assert.deepStrictEqual((await inbox.next('events')).events.map((event) => event.pod_name), ['victim']);
    const position = await inbox.next('position');
    assert.strictEqual(position.oldest, '1');
    assert.strictEqual(position.seq, position.head);
    stream.cancel();
    return position;
  });
  await check('Subscribe_ACursorOfAPositionIsAsGoodAsAnEvents', async () => {
    const stream = events.Subscribe({ namespace: NAMESPACE, after_cursor: first.cursor, filter });
    const again = await new Inbox(stream).next('position');
    assert.strictEqual(again.cursor, first.cursor);
    assert.strictEqual(again.seq, first.seq);
    stream.cancel();
  });
}

async function leaveCluster({ survivor, log }, rival, registry, coordinator) {
  await check('Session_LeaveIsConfirmedAndInTheLog', async () => {
    for (const pod of [survivor, rival]) {
      await pod.leave();
      const event = await log.until('EVENT_KIND_POD_LEFT');
      assert.strictEqual(event.incarnation, pod.incarnation);
      assert.strictEqual(event.cause, 'CAUSE_LEFT');
    }
    const answer = await call(registry, 'ListPods', { namespace: NAMESPACE, include_ended: true });
    assert.deepStrictEqual(answer.pods.map((pod) => [pod.name, pod.state]), [
      ['victim', 'POD_STATE_DEAD'], ['survivor', 'POD_STATE_LEFT'], ['rival', 'POD_STATE_LEFT']]);
  });
  await check('Subscribe_EndsWithDrainingWhenTheCoordinatorStops', async () => {
    const exited = coordinator.stop();
    const end = await log.inbox.next('end');
    assert.strictEqual(end.reason, 'END_REASON_DRAINING');
    assert.ok(end.cursor, 'no cursor to resume from');
    assert.strictEqual(await exited, 0, 'the exit code of vigild');
  });
}

async function main() {
  const coordinator = new Coordinator();
  const clients = [];
  process.on('exit', () => coordinator.kill());
  const story = async () => {
    const address = await check('Vigild_PrintsItsAddress', () => coordinator.address());
    for (const Service of [vigil.PodRegistryService, vigil.PodEventService, vigil.WorkService, vigil.Health]) {
      clients.push(new Service(address, grpc.credentials.createInsecure()));
    }
    const [registry, events, work, health] = clients;
    const cast = await joinCluster(registry, events, health);
    const rival = await takeOver(cast, registry, work);
    await readWithAFilter(events);
    await leaveCluster(cast, rival, registry, coordinator);
  };
  try {
    await within(WHOLE_MILLIS, 'the whole test', story());
  } catch (error) {
    console.log(error.stack);
    console.log(`vigild's last words:\n${coordinator.logged}`);
    tally.failed ||= 1;
  }
  for (const client of clients) client.close();
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  process.exit(tally.failed === 0 ? 0 : 1);
}

main();
