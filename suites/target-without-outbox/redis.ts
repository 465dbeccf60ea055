import { Redis, type RedisOptions } from 'ioredis';

/**
 * A command fails when Redis is away instead of waiting for it: who sent it knows best when to try again. A server that
 * says nothing counts as away after `silentMs`.
 */
export function connect(url: string, silentMs: number): Redis {
  const options: RedisOptions = {
    connectTimeout: 2000,
    socketTimeout: silentMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => 200,
  };
  const redis = new Redis(url, options);
  // Each failed command says it, too.
  redis.on('error', () => {});
  return redis;
}
