import { Server } from 'node:http';

/** Loaded into a service that runs with `--expose-gc`: `GET /metrics?collected` tells what is held when no garbage is left. */
const emit = Server.prototype.emit as (this: Server, event: string, ...values: readonly unknown[]) => boolean;
Server.prototype.emit = function (this: Server, event: string, ...values: readonly unknown[]): boolean {
  const [request] = values;
  if (event === 'request' && (request as { url?: string }).url === '/metrics?collected') {
    // What finalizers let go of goes with the second one.
    globalThis.gc?.();
    globalThis.gc?.();
  }
  return emit.call(this, event, ...values);
};
