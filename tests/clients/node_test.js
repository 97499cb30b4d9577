// The client of node_client.js joins a cluster, hears of a death, and takes work over.
//
// Starts `vigild dev` from VIGIL_BIN_DIR. Prints a line for each check and ends with "N passed, N failed".
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const { check, tally, within } = require('../support/checks.js');
const { call, Inbox, Log, NAMESPACE, Pod, refusal, STEP_MILLIS, vigil } = require('./node_client.js');

const VIGILD = path.join(process.env.VIGIL_BIN_DIR ?? path.join(__dirname, '../../build/dev/bin'), 'vigild');
const START_MILLIS = 60_000; // vigild, with a Postgres of its own
const WHOLE_MILLIS = 150_000;

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

// What StartWork says of an item, and what may be asked for twice.
async function startAndRepeat({ survivor }, work) {
  const item = { namespace: NAMESPACE, key: 'index-1' };
  const traits = {
    kind: 'index', labels: { region: 'north' }, max_adoptions: 1,
    policy: 'RECOVERY_POLICY_STICKY', sticky_wait: { seconds: 90 },
  };
  const start = { ...item, ...traits, incarnation: survivor.incarnation, request_id: randomUUID() };
  const started = await check('StartWork_KeepsWhatItIsToldOfTheItem', async () => {
    const answer = await call(work, 'StartWork', start);
    assert.strictEqual(answer.outcome, 'START_OUTCOME_STARTED');
    const { kind, labels, max_adoptions, policy, sticky_wait } = answer.item;
    assert.deepStrictEqual({ kind, labels, max_adoptions, policy }, {
      kind: 'index', labels: { region: 'north' }, max_adoptions: 1, policy: 'RECOVERY_POLICY_STICKY' });
    assert.strictEqual(sticky_wait.seconds, '90');
    return answer.item;
  });
  const mine = { ...item, incarnation: survivor.incarnation, fence: started.fence };
  await check('StartWork_RepeatedReturnsTheItemAsItIs', async () => {
    const again = await call(work, 'StartWork', start);
    assert.strictEqual(again.outcome, 'START_OUTCOME_STARTED');
    assert.deepStrictEqual(again.item, started);
  });
  await check('CheckpointWork_ALateOneReplacesNoNewerOne', async () => {
    await call(work, 'CheckpointWork', { ...mine, checkpoint: Buffer.from('page 2'), number: 2 });
    const late = await call(work, 'CheckpointWork', { ...mine, checkpoint: Buffer.from('page 1'), number: 1 });
    assert.strictEqual(late.item.checkpoint.toString(), 'page 2');
  });
  await check('StartWork_RepeatedAfterTheReleaseDoesNotTakeItBack', async () => {
    await call(work, 'ReleaseWork', mine);
    const late = await call(work, 'StartWork', start);
    assert.strictEqual(late.outcome, 'START_OUTCOME_RELEASED');
    assert.strictEqual(late.item.state, 'WORK_STATE_RELEASED');
  });
  return item;
}

async function failUntilQuarantined({ survivor, log }, item, work) {
  const take = async () => {
    const answer = await call(work, 'StartWork', { ...item, incarnation: survivor.incarnation, request_id: randomUUID() });
    assert.strictEqual(answer.outcome, 'START_OUTCOME_STARTED');
    return { ...item, incarnation: survivor.incarnation, fence: answer.item.fence };
  };
  const first = await check('FailWork_ReleasesTheItemAndCounts', async () => {
    const failure = { ...await take(), reason: 'the index is corrupt' };
    for (const attempt of [1, 2]) {
      const answer = await call(work, 'FailWork', failure);
      assert.strictEqual(answer.item.state, 'WORK_STATE_RELEASED');
      assert.strictEqual(answer.item.adoptions, 1, `after attempt ${attempt}`);
    }
    return failure;
  });
  const quarantined = await check('FailWork_OneTooManyQuarantines', async () => {
    const second = { ...await take(), reason: 'it still is' };
    const answer = await call(work, 'FailWork', second);
    assert.strictEqual(answer.item.state, 'WORK_STATE_QUARANTINED');
    assert.strictEqual(answer.item.owner, '0');
    assert.deepStrictEqual(
      answer.item.former_owners.map((former) => [former.name, former.fence, former.cause, former.reason]),
      [first, second].map(({ fence, reason }) => ['survivor', fence, 'CAUSE_UNSPECIFIED', reason]));
    return answer.item;
  });
  await check('Subscribe_DeliversAQuarantine', async () => {
    const event = await log.until('EVENT_KIND_WORK_QUARANTINED');
    assert.deepStrictEqual([event.work_key, event.fence, event.pod_name, event.incarnation],
      [item.key, quarantined.fence, 'survivor', survivor.incarnation]);
  });
  await check('ClaimWork_WhatIsQuarantinedIsNobodys', async () => {
    const claim = { ...item, incarnation: survivor.incarnation, expected_owner: 0, expected_fence: quarantined.fence };
    assert.strictEqual((await call(work, 'ClaimWork', claim)).outcome, 'CLAIM_OUTCOME_QUARANTINED');
    const listed = await call(work, 'ListWork', { namespace: NAMESPACE, quarantined_only: true });
    assert.deepStrictEqual(listed.items.map((one) => one.key), [item.key]);
  });
  await check('ReleaseQuarantinedWork_PutsItBack', async () => {
    for (let attempt = 1; attempt <= 2; ++attempt) {
      const answer = await call(work, 'ReleaseQuarantinedWork', { ...item, fence: quarantined.fence });
      assert.strictEqual(answer.item.state, 'WORK_STATE_RELEASED');
      assert.strictEqual(answer.item.adoptions, 0);
    }
    let event;
    do event = await log.until('EVENT_KIND_WORK_RELEASED'); while (event.pod_name);
    assert.strictEqual(event.work_key, item.key);
    const stale = call(work, 'ReleaseQuarantinedWork', { ...item, fence: first.fence });
    await refusal(stale, grpc.status.FAILED_PRECONDITION, 'FENCED');
  });
}

async function handOver({ survivor, log }, rival, work) {
  const item = { namespace: NAMESPACE, key: 'mail-1' };
  const { item: started } = await call(work, 'StartWork', { ...item, incarnation: survivor.incarnation });
  const mine = { ...item, incarnation: survivor.incarnation, fence: started.fence };
  await check('TransferWork_GivesTheItemToThePodOfAName', async () => { // P5
    const { item: given } = await call(work, 'TransferWork', { ...mine, to_name: 'rival' });
    assert.deepStrictEqual([given.owner, given.owner_name], [rival.incarnation, 'rival']);
    assert.ok(BigInt(given.fence) > BigInt(started.fence), 'the fence did not grow');
    const event = await log.until('EVENT_KIND_WORK_CLAIMED');
    assert.deepStrictEqual([event.work_key, event.incarnation, event.previous_owner, event.fence],
      [item.key, rival.incarnation, survivor.incarnation, given.fence]);
    const again = await call(work, 'TransferWork', { ...mine, to_name: 'rival' });
    assert.strictEqual(again.item.fence, given.fence);
    await refusal(call(work, 'ReleaseWork', mine), grpc.status.FAILED_PRECONDITION, 'FENCED');
  });
  await check('TransferWork_ToNobodyIsRefused', async () => {
    const { item: other } = await call(work, 'StartWork', { ...item, key: 'mail-2', incarnation: survivor.incarnation });
    const nobody = { ...mine, key: other.key, fence: other.fence, to_name: 'nobody' };
    await refusal(call(work, 'TransferWork', nobody), grpc.status.NOT_FOUND, 'POD_NOT_FOUND');
    await call(work, 'CompleteWork', { ...mine, key: other.key, fence: other.fence });
  });
}

async function claimByChoice({ survivor, log }, registry, work) {
  const guest = await Pod.register(registry, 'guest');
  const items = [['thumb-1', 'thumbnail', 'north'], ['thumb-2', 'thumbnail', 'south'], ['thumb-3', 'thumbnail', 'north'],
    ['video-1', 'video', 'north']];
  for (const [key, kind, region] of items) {
    await call(work, 'StartWork', { namespace: NAMESPACE, key, kind, labels: { region }, incarnation: guest.incarnation });
  }
  await guest.leave();
  assert.strictEqual((await log.until('EVENT_KIND_POD_LEFT')).orphans, items.length);
  const claim = (request_id) => call(work, 'ClaimOrphans', {
    namespace: NAMESPACE, incarnation: survivor.incarnation, request_id, limit: 1,
    kinds: ['thumbnail', 'audio'], labels: { region: 'north' },
  });
  const keys = (answer) => answer.items.map((item) => item.key);
  await check('ClaimOrphans_TakesWhatWasChosenAndNoMoreWhenRepeated', async () => { // P5
    const request = randomUUID();
    const claimed = await claim(request);
    assert.strictEqual(claimed.items.length, 1);
    assert.deepStrictEqual(await claim(request), claimed);
    const others = await claim(randomUUID());
    assert.deepStrictEqual([...keys(claimed), ...keys(others)].sort(), ['thumb-1', 'thumb-3']);
    assert.deepStrictEqual(keys(await claim(randomUUID())), []);
  });
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
      ['victim', 'POD_STATE_DEAD'],
      ...['survivor', 'rival', 'guest'].map((name) => [name, 'POD_STATE_LEFT'])]);
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
    const item = await startAndRepeat(cast, work);
    await failUntilQuarantined(cast, item, work);
    await handOver(cast, rival, work);
    await claimByChoice(cast, registry, work);
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
