// The chart as a package: what is in it, and its way through an OCI registry on this machine.
'use strict';

const assert = require('node:assert');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { within } = require('../support/checks.js');
const { CHART, SECURED, parseAll, render, succeed } = require('./helm.js');

const REGISTRY = '/usr/bin/docker-registry';
const START_MILLIS = 30_000;

// Debian's registry on a port that the kernel chooses, until `use` is through with it.
async function withRegistry(directory, use) {
  const config = path.join(directory, 'registry.yml');
  fs.writeFileSync(config, JSON.stringify({
    version: 0.1, log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: path.join(directory, 'blobs') } }, http: { addr: '127.0.0.1:0' },
  }));
  const registry = spawn(REGISTRY, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    const port = await within(START_MILLIS, 'the registry', new Promise((resolve, reject) => {
      let said = '';
      registry.on('error', reject);
      registry.on('exit', () => reject(new Error(`the registry ended: ${said}`)));
      registry.stderr.on('data', (bytes) => {
        said += bytes;
        const match = /listening on 127\.0\.0\.1:(\d+)/.exec(said);
        if (match) resolve(match[1]);
      });
    }));
    return await use(`oci://127.0.0.1:${port}/charts`);
  } finally {
    registry.kill('SIGKILL');
  }
}

module.exports = async (test) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-package-'));
  for (const home of ['CACHE', 'CONFIG', 'DATA']) process.env[`HELM_${home}_HOME`] = path.join(directory, home);
  try {
    let archive;
    await test('Package_HoldsWhatIsInstalledAndNoMore', () => {
      succeed(['package', CHART, '--destination', directory]);
      [archive] = fs.readdirSync(directory).filter((file) => file.endsWith('.tgz'));
      archive = path.join(directory, archive);
      const files = spawnSync('tar', ['tzf', archive], { encoding: 'utf8' }).stdout.trim().split('\n');
      for (const file of ['Chart.yaml', 'values.schema.json', 'files/dashboard.json', 'templates/NOTES.txt']) {
        assert.ok(files.includes(`vigil/${file}`), file);
      }
      assert.ok(!files.some((file) => file.startsWith('vigil/ci/')));
    });

    await test('Registry_WhatIsPushedIsWhatIsInstalled', () => withRegistry(directory, (place) => {
      succeed(['push', archive, place, '--plain-http']);
      const [, version] = /vigil-([0-9][^/]*)\.tgz$/.exec(archive);
      const words = ['--version', version, '--plain-http', '--namespace', 'prod', '--values', '-'];
      const pulled = succeed(['template', 'v', `${place}/vigil`, ...words], JSON.stringify(SECURED));
      assert.deepStrictEqual(parseAll(pulled), render(SECURED));
    }));
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
};
