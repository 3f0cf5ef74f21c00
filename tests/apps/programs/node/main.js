const { Worker } = require('node:worker_threads');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

async function workers() {
  const start = (n) => new Promise((resolve, reject) => {
    const worker = new Worker(require.resolve('./worker.js'), { workerData: n });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
  const shared = await Promise.all([1, 2, 3, 4].map(start));
  return shared.reduce((a, b) => a + b, 0);
}

async function files() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-'));
  const names = Array.from({ length: 1000 }, (_, n) => path.join(folder, `file${n}`));
  await Promise.all(names.map((name, n) => fs.promises.writeFile(name, `content ${n}`)));
  const texts = await Promise.all(names.map((name) => fs.promises.readFile(name, 'utf8')));
  const listed = (await fs.promises.readdir(folder)).length;
  await fs.promises.rm(folder, { recursive: true });
  return [listed, texts.reduce((a, text) => a + text.length, 0), fs.existsSync(folder)];
}

function timers() {
  return new Promise((resolve) => {
    const order = [];
    setTimeout(() => order.push('timeout 0'), 0).unref().ref();  // first: each counts from its call
    setTimeout(() => { order.push('timeout 60'); resolve(order); }, 60);
    process.nextTick(() => order.push('tick'));
    const interval = setInterval(() => clearInterval(interval), 1);
  });
}

async function assembly() {
  // (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
  const code = Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 3, 2, 1, 0,
    7, 7, 1, 3, 0x61, 0x64, 0x64, 0, 0, 0x0a, 9, 1, 7, 0, 0x20, 0, 0x20, 1, 0x6a, 0x0b]);
  const { instance } = await WebAssembly.instantiate(code);
  return instance.exports.add(40, 2);
}

function heap() {
  const kept = [];
  for (let n = 0; n < 60; n++) kept.push(new Array(100000).fill(n));
  const before = process.memoryUsage().heapUsed;
  kept.length = 0;
  global.gc();
  return before - process.memoryUsage().heapUsed > 20e6;
}

async function main() {
  console.log('hello from node', process.argv.slice(2));
  console.log('workers:', await workers());
  console.log('files:', await files());
  console.log('timers:', await timers());
  console.log('assembly:', await assembly());
  console.log('heap:', heap());
  try { null.field; } catch (error) { console.log('caught:', error.message); }
}

main();
