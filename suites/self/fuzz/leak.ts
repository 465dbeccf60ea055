import { openSync } from 'node:fs';
import { Server } from 'node:http';

/** Loaded into a service, it keeps a kilobyte of heap and ten beside it of every request, and a file of every hundredth. */
const kept: unknown[] = [];
let requests = 0;
const emit = Server.prototype.emit as (this: Server, event: string, ...values: readonly unknown[]) => boolean;
Server.prototype.emit = function (this: Server, event: string, ...values: readonly unknown[]): boolean {
  if (event === 'request') {
    kept.push(
      Array.from({ length: 128 }, (_, i) => requests + i / 3),
      Buffer.alloc(10_000, 1),
    );
    if (requests++ % 100 === 0) kept.push(openSync('/dev/null', 'r'));
  }
  return emit.call(this, event, ...values);
};
