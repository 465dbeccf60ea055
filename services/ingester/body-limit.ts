import type { IncomingMessage } from 'node:http';

/** Rejects, with what `problem` gives, once more bytes of a body have come than it may have by then. Never resolves. */
export function bodyLimit(request: IncomingMessage, bytesMax: () => number, problem: () => Error): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  let bytes = 0;
  request.on('data', function count({ length }: Buffer) {
    bytes += length;
    if (bytes <= bytesMax()) return;
    request.off('data', count);
    reject(problem());
  });
  // Whoever waits for the body hears of it; when nobody does any more, nobody needs to.
  promise.catch(() => {});
  return promise;
}

/** What `items` gives, until `limit` rejects. */
export async function* until<T>(items: AsyncIterableIterator<T>, limit: Promise<never>): AsyncGenerator<T> {
  for (;;) {
    const next = await Promise.race([items.next(), limit]);
    if (next.done === true) return;
    yield next.value;
  }
}
