// A Service, as pods see it: each new connection goes to one of the coordinators that are ready.
'use strict';

const net = require('node:net');

class Balancer {
  static async start(ready) {
    const balancer = new Balancer();
    balancer.ready = ready;
    balancer.sockets = new Set();
    balancer.turn = 0;
    balancer.server = net.createServer((caller) => balancer.#join(caller));
    await new Promise((resolve) => { balancer.server.listen(0, '127.0.0.1', resolve); });
    balancer.address = `127.0.0.1:${balancer.server.address().port}`;
    return balancer;
  }

  #join(caller) {
    this.turn += 1;
    const { grpc } = this.ready[this.turn % this.ready.length];
    const coordinator = net.connect(grpc, '127.0.0.1');
    for (const [socket, other] of [[caller, coordinator], [coordinator, caller]]) {
      this.sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => { this.sockets.delete(socket); other.destroy(); });
    }
  }

  kill() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

module.exports = { Balancer };
