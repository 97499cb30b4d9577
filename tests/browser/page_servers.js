// Coordinators that a page meets only now and then: one with rights, and one whose database is away.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Vigild } = require('./cluster.js');

const OPENSSL_MILLIS = 60_000;

const LISTENING = ['--listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'];

async function originOf(server) {
  const [, port] = await server.says(/Serving HTTP\..* port=(\d+)/);
  return `http://127.0.0.1:${port}`;
}

// Serves with TLS, tokens and grants: `reader` may look at everything, and `web` may not.
class Rights {
  static async start(database) {
    const rights = new Rights();
    rights.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-page-'));
    rights.tokens = { reader: 'token-of-the-reader', web: 'token-of-the-web-pods' };
    rights.grants = { reader: 'read-only', web: 'member,claimer' };
    const [cert, key] = ['cert', 'key'].map((name) => path.join(rights.directory, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert],
    { timeout: OPENSSL_MILLIS, stdio: 'ignore' });
    const lines = Object.entries(rights.tokens).map(([who, token]) => `${who} ${token}\n`);
    const tokens = rights.#write('tokens', lines.join(''));
    rights.server = new Vigild(['serve', ...LISTENING, '--tls-cert', cert, '--tls-key', key, '--tokens', tokens,
      '--grants', rights.#writeGrants()], { VIGIL_DATABASE: database });
    rights.origin = await originOf(rights.server);
    await rights.server.says(/Joined the cluster\./);
    return rights;
  }

  #write(name, text) {
    const file = path.join(this.directory, name);
    fs.writeFileSync(`${file}.new`, text);
    fs.renameSync(`${file}.new`, file);
    return file;
  }

  #writeGrants() {
    const lines = Object.entries(this.grants).map(([who, roles]) => `${who} default ${roles}\n`);
    return this.#write('grants', lines.join(''));
  }

  withdraw(who) {
    delete this.grants[who];
    this.#writeGrants();
  }

  kill() {
    this.server.kill();
    fs.rmSync(this.directory, { recursive: true });
  }
}

// Serves over HTTP, and knows no database.
class Unreachable {
  static async start() {
    const unreachable = new Unreachable();
    unreachable.server = new Vigild(['serve', '--insecure', 'true', ...LISTENING],
      { VIGIL_DATABASE: 'host=127.0.0.1 port=1 dbname=nowhere connect_timeout=1' });
    unreachable.origin = await originOf(unreachable.server);
    return unreachable;
  }

  kill() {
    this.server.kill();
  }
}

module.exports = { Rights, Unreachable };
