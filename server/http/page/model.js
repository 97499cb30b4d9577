// What the page knows: an overview, and the events that came after it.
//
// Events are kept until an overview has them, so that one that was read a little earlier changes nothing back. Deaths
// and what became of their orphans are kept for as long as there is room.

export const MOST_EVENTS = 4_000;
export const MOST_DEATHS = 200;
export const MOST_CLAIMANTS = 20;
export const MOST_KEYS = 5;

export const KINDS = ['POD_REGISTERED', 'POD_SUSPECTED', 'POD_REFUTED', 'POD_MOVED', 'POD_DIED', 'POD_LEFT',
  'WORK_CLAIMED', 'WORK_QUARANTINED'];

const kindOf = (event) => event.kind.replace('EVENT_KIND_', '');

export class Model {
  constructor() {
    this.overview = null;
    this.pods = new Map(); // by incarnation
    this.deaths = new Map(); // by incarnation, oldest first
    this.after = []; // events that the overview does not have
    this.last = 0n; // the number of the last event
  }

  // False when what is known is newer than that.
  take(overview) {
    const head = BigInt(overview.head);
    if (this.overview && head < BigInt(this.overview.head)) return false;
    this.overview = overview;
    if (head > this.last) this.last = head;
    this.after = this.after.filter((event) => BigInt(event.seq) > head);
    this.pods = new Map(overview.pods.map((pod) => [pod.incarnation, pod]));
    for (const event of overview.events) this.#remember(event);
    for (const event of this.after) this.#change(event);
    return true;
  }

  // An event of the log, in its order. False when there are too many to go on without a new overview.
  apply(event) {
    if (BigInt(event.seq) <= this.last) return true;
    this.last = BigInt(event.seq);
    this.after.push(event);
    this.#change(event);
    this.#remember(event);
    return this.after.length < MOST_EVENTS;
  }

  // Whether all living pods are known, and not only counted.
  whole() {
    return this.overview !== null && this.overview.alive + this.overview.suspect <= this.overview.pods.length;
  }

  count(state) {
    if (!this.whole()) return state === 'POD_STATE_ALIVE' ? this.overview.alive : this.overview.suspect;
    return [...this.pods.values()].filter((pod) => pod.state === state).length;
  }

  deathsOfLastHour() {
    const since = this.after.filter((event) => kindOf(event) === 'POD_DIED').length;
    return { number: this.overview.deaths.number + since, more: this.overview.deaths.more };
  }

  #change(event) {
    const pod = this.pods.get(event.incarnation);
    switch (kindOf(event)) {
      case 'POD_REGISTERED':
        // The rest comes with the next overview.
        this.pods.set(event.incarnation, {
          name: event.podName, incarnation: event.incarnation, state: 'POD_STATE_ALIVE',
          registeredAt: event.occurredAt,
        });
        break;
      case 'POD_SUSPECTED':
        if (pod) this.pods.set(event.incarnation, { ...pod, state: 'POD_STATE_SUSPECT', cause: event.cause });
        break;
      case 'POD_REFUTED':
        if (pod) this.pods.set(event.incarnation, { ...pod, state: 'POD_STATE_ALIVE', cause: undefined });
        break;
      case 'POD_MOVED':
        if (pod) {
          this.pods.set(event.incarnation,
            { ...pod, state: 'POD_STATE_ALIVE', cause: undefined, coordinator: undefined });
        }
        break;
      case 'POD_DIED':
      case 'POD_LEFT':
        this.pods.delete(event.incarnation);
        break;
      default:
    }
  }

  #remember(event) {
    const seq = BigInt(event.seq);
    if (kindOf(event) === 'POD_DIED') {
      if (this.deaths.has(event.incarnation)) return;
      this.deaths.set(event.incarnation,
        { ...event, orphans: event.orphans ?? 0, claimed: 0, quarantined: 0, claimants: new Map(), known: seq });
      if (this.deaths.size > MOST_DEATHS) this.deaths.delete(this.deaths.keys().next().value);
    } else if (kindOf(event) === 'WORK_CLAIMED') {
      const death = this.deaths.get(event.previousOwner);
      if (!death || seq <= death.known) return;
      death.known = seq;
      death.claimed += 1;
      this.#credit(death, event);
    } else if (kindOf(event) === 'WORK_QUARANTINED') {
      const death = this.deaths.get(event.incarnation);
      if (!death || seq <= death.known) return;
      death.known = seq;
      death.quarantined += 1;
    }
  }

  #credit(death, event) {
    let claimant = death.claimants.get(event.incarnation);
    if (!claimant) {
      if (death.claimants.size === MOST_CLAIMANTS) return;
      claimant = { name: event.podName, keys: [], items: 0, first: event.occurredAt, last: event.occurredAt };
      death.claimants.set(event.incarnation, claimant);
    }
    claimant.items += 1;
    claimant.last = event.occurredAt;
    if (claimant.keys.length < MOST_KEYS) claimant.keys.push(event.workKey);
  }
}
