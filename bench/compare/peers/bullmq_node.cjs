// BullMQ on Node: the same verbs and the same protocol as bench/compare/adapter.py, for `node bullmq_node.cjs client|worker`.
'use strict';

const fs = require('fs');
const readline = require('readline');
const { Job, Queue, QueueEvents, Worker } = require('bullmq');

const QUEUE = 'compare';
const TOGETHER = 100;
const url = new URL(process.env.COMPARE_URL);
const connection = { host: url.hostname, port: Number(url.port) };
const variant = JSON.parse(process.env.COMPARE_VARIANT || '{}');
const waits = ['round_trip', 'loaded', 'check'].includes(process.env.COMPARE_WORK);

const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const nanoseconds = () => Number(process.hrtime.bigint());
const pause = (time) => new Promise((done) => setTimeout(done, time * 1000));

// what fills it up to 100 bytes, by kind and digits of the number: to find it anew for each would count as the queue's
const fillers = {};

function payloadOf(number, kind) {
  const text = (fillers[kind + String(number).length] ??= 'x'.repeat(100 - JSON.stringify({ n: number, kind, text: '' }).length));
  return { n: number, kind, text };
}

// ---- worker

let ledger;

function record(number) {
  ledger ??= fs.openSync(process.env.COMPARE_LEDGER, 'a');
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(process.pid, 4);
  bytes.writeBigUInt64LE(process.hrtime.bigint(), 8);
  fs.writeSync(ledger, bytes);
}

function burn() {
  const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
  const until = used() + 1000;
  while (used() < until);
}

async function run(job) {
  const { n, kind } = job.data;
  record(n);
  if (kind === 'sleep') await pause(0.001);
  else if (kind === 'cpu') burn();
  else if (kind === 'hold') await pause(7200);
  return n;
}

// ---- submitter

let queue;
let events;

const submit = (payload) => queue.add('work', payload);
const submitBatch = (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'work', data })));

function hundred(start, kind, end = start + TOGETHER) {
  return Array.from({ length: end - start }, (_, index) => payloadOf(start + index, kind));
}

async function repeat(first, time, action) {
  const begun = seconds();
  let number = first;
  while (seconds() - begun < time) number += await action(number);
  return { count: number - first, seconds: seconds() - begun };
}

const verbs = {
  submit: ({ first, kind, seconds: time }) =>
    repeat(first, time, async (number) => { await submit(payloadOf(number, kind)); return 1; }),
  together: ({ first, kind, seconds: time }) =>
    repeat(first, time, async (number) => { await Promise.all(hundred(number, kind).map(submit)); return TOGETHER; }),
  batch: ({ first, kind, seconds: time }) =>
    repeat(first, time, async (number) => { await submitBatch(hundred(number, kind)); return TOGETHER; }),
  async fill({ first, kind, count }) {
    for (let start = first; start < first + count; start += TOGETHER) {
      await submitBatch(hundred(start, kind, Math.min(start + TOGETHER, first + count)));
    }
    return count;
  },
  async results({ first, kind, count }) {
    const jobs = [];
    for (let number = first; number < first + count; number++) jobs.push(await submit(payloadOf(number, kind)));
    return Promise.all(jobs.map((job) => job.waitUntilFinished(events, 30000)));
  },
  async round_trips({ first, kind, seconds: time, count, gap_seconds: gap }) {
    const trips = [];
    const until = seconds() + time;
    while (trips.length < count && seconds() < until) {
      const number = first + trips.length;
      const payload = payloadOf(number, kind);
      const begun = nanoseconds();
      await (await submit(payload)).waitUntilFinished(events, 30000);
      trips.push([number, begun, nanoseconds()]);
      await pause(gap);
    }
    return trips;
  },
  async feed({ first, kind, seconds: time, rate }) {
    const begun = seconds();
    let number = first;
    for (let now = 0; now < time; now = seconds() - begun) {
      while (number - first < now * rate) await submit(payloadOf(number++, kind));
      await pause(0.002);
    }
    return number - first;
  },
};

async function client() {
  queue = new Queue(QUEUE, { connection });
  if (waits) {
    events = new QueueEvents(QUEUE, { connection });
    await events.waitUntilReady();
  }
  await queue.waitUntilReady();
  const say = (message) => fs.writeSync(1, JSON.stringify(message) + '\n');
  const versions = { node: process.version.slice(1) };
  for (const name of ['bullmq', 'ioredis']) {
    const path = require.resolve(name).split(`node_modules/${name}/`)[0] + `node_modules/${name}/package.json`;
    versions[name] = JSON.parse(fs.readFileSync(path)).version;
  }
  say({ ok: { results: true, async: true, batch: true, versions } });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: verb, ...rest } = JSON.parse(line);
    try {
      say({ ok: await verbs[verb](rest) });
    } catch (error) {
      say({ error: String(error).slice(0, 500) });
    }
  }
  process.exit(0);
}

if (process.argv[2] === 'worker') {
  new Worker(QUEUE, run, { connection, concurrency: variant.slots });
} else {
  client();
}
