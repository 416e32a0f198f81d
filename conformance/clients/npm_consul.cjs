// Keys, sessions, locks and watches with the npm package `consul`, unmodified. CONSUL_HTTP_ADDR names the agent.
'use strict';
const assert = require('node:assert/strict');
const loaded = require('consul');
const Consul = loaded.default ?? loaded;

const [host, port] = process.env.CONSUL_HTTP_ADDR.split(':');
const consul = new Consul({ host, port: Number(port) });
const WATCH_DEADLINE_MS = 30_000;

async function keys() {
  assert.equal(await consul.kv.set('app/a', '1'), true);
  assert.equal(await consul.kv.set({ key: 'app/b', value: '2', flags: 42 }), true);
  const entry = await consul.kv.get('app/a');
  assert.equal(entry.Value, '1');
  assert.equal((await consul.kv.get('app/b')).Flags, 42);
  assert.equal(await consul.kv.get('app/none'), undefined);
  assert.deepEqual(await consul.kv.keys('app/'), ['app/a', 'app/b']);
  assert.equal((await consul.kv.get({ key: 'app/', recurse: true })).length, 2);
  // The client hands a JSON `false` on as undefined.
  assert.ok(!(await consul.kv.set({ key: 'app/a', value: 'x', cas: '1' })));
  assert.equal(await consul.kv.set({ key: 'app/a', value: 'x', cas: String(entry.ModifyIndex) }), true);
}

async function locks() {
  const mine = (await consul.session.create({ name: 'npm', ttl: '15s', lockdelay: '0s' })).ID;
  const yours = (await consul.session.create({ name: 'npm2' })).ID;
  assert.equal(await consul.kv.set({ key: 'lock', value: 'me', acquire: mine }), true);
  assert.ok(!(await consul.kv.set({ key: 'lock', value: 'you', acquire: yours })));
  assert.equal((await consul.kv.get('lock')).Session, mine);
  assert.equal((await consul.session.renew(mine))[0].ID, mine);
  assert.equal((await consul.session.get(mine)).Name, 'npm');
  assert.ok((await consul.session.list()).length >= 2);
  assert.equal(await consul.kv.set({ key: 'lock', value: 'me', release: mine }), true);
  assert.equal(await consul.kv.set({ key: 'lock', value: 'you', acquire: yours }), true);
  await consul.session.destroy(mine);
  await consul.session.destroy(yours);
}

function watchValue(key, wanted) {
  const watch = consul.watch({ method: consul.kv.get, options: { key } });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no change of ${key} seen`)), WATCH_DEADLINE_MS);
    watch.on('error', reject);
    watch.on('change', (data) => {
      if (data?.Value !== wanted) return;
      clearTimeout(timer);
      watch.end();
      resolve();
    });
  });
}

async function watches() {
  await consul.kv.set('watched', 'before');
  const seen = watchValue('watched', 'after');
  await consul.kv.set('watched', 'after');
  await seen;
}

async function main() {
  await keys();
  await locks();
  await watches();
  const txn = await consul.transaction.create([{ KV: { Verb: 'set', Key: 't', Value: 'eA==' } }]);
  assert.equal(txn.Results[0].KV.Key, 't');
  await consul.event.fire('deploy', 'now');
  assert.match(await consul.status.leader(), /:\d+$/);
  await consul.kv.del({ key: 'app/', recurse: true });
  assert.equal(await consul.kv.get('app/a'), undefined);
  console.log('npm consul: every step as wanted');
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
