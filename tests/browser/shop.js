// An application as the status page shows it: pods that live by their heartbeats, work, claim what the dead leave, and
// are killed. They speak the contract by hand.
'use strict';

const { randomUUID } = require('node:crypto');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const { within } = require('../support/checks.js');

const PROTO = path.join(__dirname, '..', '..', 'proto');
const STEP_MILLIS = 60_000;
const HEARTBEAT_MILLIS = 400;

class Pod {
  constructor(shop, name) {
    this.shop = shop;
    this.name = name;
    this.heartbeats = 0;
    this.stream = shop.registry.Session();
    this.stream.on('error', () => {});
    this.stream.on('close', () => clearInterval(this.timer));
  }

  async register(more) {
    const registered = new Promise((resolve, reject) => {
      this.stream.on('data', (response) => { if (response.registered) resolve(response.registered); });
      this.stream.on('end', () => reject(new Error(`${this.name} is not registered`)));
    });
    const { namespace } = this.shop;
    const register = { namespace, name: this.name, registration_id: randomUUID(), profile: 'PROFILE_FAST', ...more };
    this.stream.write({ register });
    const { pod } = await within(STEP_MILLIS, `registering ${this.name}`, registered);
    this.incarnation = pod.incarnation;
    this.beat();
    this.timer = setInterval(() => this.beat(), HEARTBEAT_MILLIS);
    return this;
  }

  beat() {
    this.heartbeats += 1;
    this.stream.write({ heartbeat: { number: this.heartbeats } });
  }

  async start(...keys) {
    for (const key of keys) {
      await this.shop.call('StartWork', { key, incarnation: this.incarnation });
    }
    return this;
  }

  // Everything that the dead have left, up to so many.
  claim(limit = 100) {
    return this.shop.call('ClaimOrphans', { incarnation: this.incarnation, limit });
  }

  // Its connection breaks, as that of a killed process does.
  kill() {
    clearInterval(this.timer);
    this.stream.cancel();
  }

  // It says nothing more.
  hang() {
    clearInterval(this.timer);
  }
}

class Shop {
  constructor(address, namespace = 'default') {
    this.namespace = namespace;
    const load = (file) => grpc.loadPackageDefinition(protoLoader.loadSync(`vigil/v1/${file}.proto`, {
      includeDirs: [PROTO], keepCase: true, longs: String, enums: String, oneofs: true,
    })).vigil.v1;
    const plain = grpc.credentials.createInsecure();
    this.registry = new (load('pod_registry_service').PodRegistryService)(address, plain);
    this.work = new (load('work_service').WorkService)(address, plain);
    this.pods = [];
  }

  async open(name, more = {}) {
    const pod = await new Pod(this, name).register(more);
    this.pods.push(pod);
    return pod;
  }

  call(method, request) {
    return within(STEP_MILLIS, method, new Promise((resolve, reject) => {
      this.work[method]({ namespace: this.namespace, ...request },
        (error, response) => { if (error) reject(error); else resolve(response); });
    }));
  }

  close() {
    for (const pod of this.pods) pod.kill();
    this.registry.close();
    this.work.close();
  }
}

module.exports = { Shop };
