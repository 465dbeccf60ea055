import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../core/random.ts';
import { pollUntil } from '../core/time.ts';
import { type FaultProxy, startFaultProxy } from './proxy.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

/** An echo server that prefixes what it says with its name. */
async function echoServer(name = ''): Promise<{ port: number; server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('data', (chunk) => socket.write(name + chunk));
    socket.on('end', () => socket.end('bye'));
    // Resets are what these tests are about.
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, server, sockets };
}

async function proxyTo(port: number): Promise<FaultProxy> {
  return cleanup.use(await startFaultProxy({ upstream: { host: '127.0.0.1', port } }));
}

interface Client {
  socket: Socket;
  received: () => string;
  error: () => string | undefined;
}

async function client(proxy: FaultProxy): Promise<Client> {
  const socket = connect({ host: proxy.host, port: proxy.port, allowHalfOpen: true });
  cleanup.defer(() => {
    socket.destroy();
  });
  let received = '';
  let failure: string | undefined;
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code;
  });
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
  return { socket, received: () => received, error: () => failure };
}

const until = (what: string, predicate: () => boolean): Promise<true> =>
  pollUntil(() => predicate() || undefined, { what, timeoutMs: 2000, intervalMs: 5 });

test('passes bytes and half-closes both ways and counts them', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const { socket, received } = await client(proxy);
  socket.write('hello');
  await until('the echo', () => received() === 'hello');
  socket.end();
  await until('an answer after the half-close', () => received() === 'hellobye');
  await until('the wire to close', () => proxy.counters().open === 0);
  expect(proxy.counters()).toMatchObject({ accepted: 1, bytesToServer: 5, bytesToClient: 8, bytesSwallowed: 0 });
});

test('carries 8 MB unharmed through backpressure', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const { socket, received } = await client(proxy);
  socket.end('x'.repeat(8 << 20));
  await pollUntil(() => received().length === (8 << 20) + 3 || undefined, { what: 'all bytes', timeoutMs: 5000 });
});

test('refuse resets open connections, refuses new ones, and heals on the same port', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const open = await client(proxy);
  open.socket.write('a');
  await until('the echo', () => open.received() === 'a');
  const { port } = proxy;
  await proxy.setMode('refuse');
  await until('the reset', () => open.error() === 'ECONNRESET');
  expect((await client(proxy)).error()).toBe('ECONNREFUSED');
  expect(proxy.counters()).toMatchObject({ refused: 1, open: 0 });
  await proxy.setMode('pass');
  expect(proxy.port).toBe(port);
  const again = await client(proxy);
  again.socket.write('b');
  await until('the echo after healing', () => again.received() === 'b');
});

test('blackhole holds both directions of old and new connections; held bytes flow when healed', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  const old = await client(proxy);
  old.socket.write('1');
  await until('the echo', () => old.received() === '1');
  await proxy.setMode('blackhole');
  const fresh = await client(proxy);
  expect(fresh.error()).toBeUndefined();
  old.socket.write('2');
  fresh.socket.write('three');
  for (const socket of server.sockets) socket.write('unasked');
  await until('swallowed bytes', () => proxy.counters().bytesSwallowed === 1 + 5 + 7);
  expect(old.received()).toBe('1');
  expect(server.sockets.size).toBe(1);
  await proxy.setMode('pass');
  await until('held bytes', () => old.received() === '1unasked2' && fresh.received() === 'three');
});

test('blackhole bounds what it keeps and loses nothing of it', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const { socket, received } = await client(proxy);
  await proxy.setMode('blackhole');
  socket.write('y'.repeat(16 << 20));
  await until('the bound', () => proxy.counters().bytesSwallowed >= 64 * 1024);
  expect(proxy.counters().bytesSwallowed).toBeLessThan(256 * 1024);
  expect(socket.writableLength).toBeGreaterThan(0);
  await proxy.setMode('pass');
  await pollUntil(() => received().length === 16 << 20 || undefined, { what: 'all bytes', timeoutMs: 5000 });
});

test('a client that leaves during a blackhole is news to the server only after healing', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  const { socket } = await client(proxy);
  socket.write('1');
  await until('the connection', () => server.sockets.size === 1);
  await proxy.setMode('blackhole');
  socket.destroy();
  const [seen] = server.sockets;
  await until('the client socket to close', () => socket.closed);
  expect(seen?.readableEnded).toBe(false);
  await proxy.setMode('pass');
  await until('the server to notice', () => seen?.destroyed === true || seen?.readableEnded === true);
  await until('no wire to remain', () => proxy.counters().open === 0);
});

test('a blackhole of requests lets answers through, and the other way round', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  const { socket, received } = await client(proxy);
  socket.write('1');
  await until('the echo', () => received() === '1');
  await proxy.setMode('blackhole-requests');
  socket.write('2');
  for (const accepted of server.sockets) accepted.write('unasked');
  await until('what the server says by itself', () => received() === '1unasked');
  await until('the swallowed request', () => proxy.counters().bytesSwallowed === 1);
  await proxy.setMode('blackhole-replies');
  // The held request flows now, and its answer is kept back.
  await until('the swallowed answer', () => proxy.counters().bytesSwallowed === 2);
  expect(received()).toBe('1unasked');
  await proxy.setMode('pass');
  await until('the held answer', () => received() === '1unasked2');
});

test('a half-open connection stays open and silent for good, also when it is closed; new ones pass', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  const old = await client(proxy);
  old.socket.write('1');
  await until('the echo', () => old.received() === '1');
  expect(proxy.forgetOpen()).toBe(1);
  old.socket.write('2');
  for (const accepted of server.sockets) accepted.write('unasked');
  await until('swallowed bytes', () => proxy.counters().bytesSwallowed === 1 + 7);
  await proxy.setMode('blackhole');
  await proxy.setMode('pass');
  const fresh = await client(proxy);
  fresh.socket.write('3');
  await until('the echo of a new connection', () => fresh.received() === '3');
  expect(old.received()).toBe('1');
  expect(old.error()).toBeUndefined();
  old.socket.destroy();
  await until('the client socket to close', () => old.socket.closed);
  fresh.socket.write('4');
  await until('another echo', () => fresh.received() === '34');
  const [seen] = server.sockets;
  expect([seen?.destroyed, seen?.readableEnded]).toEqual([false, false]);
});

test('a delay holds each byte for that long in each direction, in order, and loses none', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const { socket, received } = await client(proxy);
  proxy.setDelay(60);
  const startedAt = performance.now();
  socket.write('a');
  socket.write('b'.repeat(100_000));
  await pollUntil(() => received().length === 100_001 || undefined, {
    what: 'the echo',
    timeoutMs: 5000,
    intervalMs: 2,
  });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(119);
  proxy.setDelay(0);
  socket.end('c');
  await until('the rest, after what was still under way', () => received() === `a${'b'.repeat(100_000)}cbye`);
});

test('with jitter chunks take now longer, now shorter, as the seed says, and none overtakes another', async () => {
  const proxy = await proxyTo((await echoServer()).port);
  const { socket, received } = await client(proxy);
  proxy.setDelay(20, { ms: 15, random: seededRandom(7) });
  const startedAt = performance.now();
  const words = Array.from({ length: 30 }, (_, i) => `${i} `);
  for (const [i, word] of words.entries()) {
    socket.write(word);
    // One chunk each: the next is sent when this one has come to the proxy.
    await until('the chunk to be under way', () => proxy.counters().chunksDelayed > i);
  }
  await until('the echo', () => received().length === words.join('').length);
  expect(received()).toBe(words.join(''));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(2 * 5);
  const { delayMsLeast, delayMsMost } = proxy.counters();
  expect(delayMsLeast).toBeGreaterThanOrEqual(5);
  expect(delayMsLeast).toBeLessThan(15);
  expect(delayMsMost).toBeGreaterThan(25);
  expect(delayMsMost).toBeLessThanOrEqual(35);
});

test('a pace lets no more bytes pass in a second, holds the sender up, and loses none', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  const { socket, received } = await client(proxy);
  proxy.setPace(50_000);
  const startedAt = performance.now();
  socket.write('z'.repeat(8 << 20));
  await until('some of it', () => proxy.counters().bytesToServer >= 10_000);
  const elapsedMs = performance.now() - startedAt;
  const { bytesToServer, bytesPaced } = proxy.counters();
  expect(bytesToServer).toBeLessThanOrEqual((50_000 * elapsedMs) / 1000);
  expect(bytesPaced).toBeGreaterThanOrEqual(bytesToServer);
  expect(socket.writableLength).toBeGreaterThan(0);
  proxy.setPace();
  await pollUntil(() => received().length === 8 << 20 || undefined, { what: 'all bytes', timeoutMs: 5000 });
  socket.end('!');
  await until('the end', () => received().endsWith('z!bye'));
});

test('a lost reply: the server has carried out the request, the client is cut off, the next one is answered', async () => {
  const server = await echoServer();
  const proxy = await proxyTo(server.port);
  proxy.loseReplies(1, (request) => request.includes('lose'));
  const [kept, lost] = [await client(proxy), await client(proxy)];
  kept.socket.write('keep');
  lost.socket.write('lose me');
  await until('the reset', () => lost.error() === 'ECONNRESET');
  await until('the other answer', () => kept.received() === 'keep');
  expect(lost.received()).toBe('');
  expect(proxy.counters()).toMatchObject({ repliesLost: 1, bytesToServer: 11 });
  const again = await client(proxy);
  again.socket.write('lose me not');
  await until('an answer', () => again.received() === 'lose me not');
});

test('a dead upstream resets the client; setUpstream moves new connections', async () => {
  const first = await echoServer('A:');
  const second = await echoServer('B:');
  const proxy = await proxyTo(first.port);
  proxy.setUpstream({ host: '127.0.0.1', port: 1 });
  const lost = await client(proxy);
  await until('the reset', () => lost.error() === 'ECONNRESET');
  proxy.setUpstream({ host: '127.0.0.1', port: second.port });
  const moved = await client(proxy);
  moved.socket.write('x');
  await until('the second server', () => moved.received() === 'B:x');
});

test('its port lies below the range from which the kernel gives ports away', async () => {
  const proxy = await proxyTo(1);
  expect(proxy.port).toBeGreaterThan(20_000);
  expect(proxy.port).toBeLessThan(49_152);
});
