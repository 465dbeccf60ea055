import { RateLimiterMemory } from 'rate-limiter-flexible';
import { HttpProblem } from '../common/problem.ts';

/**
 * Wrong secrets, counted for each client id and the address that it is tried from: after `max` within `windowS` seconds no
 * more are listened to until the window is over, right ones included. Whoever asks from elsewhere is not kept out by it.
 * Each instance counts for itself.
 */
export class GuessLimit {
  readonly #failures: RateLimiterMemory;
  readonly #max: number;

  constructor({ max, windowS }: { max: number; windowS: number }) {
    this.#failures = new RateLimiterMemory({ points: max, duration: windowS });
    this.#max = max;
  }

  /** @throws HttpProblem 429 saying when it makes sense again */
  async demandLeft(address: string, clientId: string): Promise<void> {
    const counted = await this.#failures.get(keyOf(address, clientId));
    if (counted === null || counted.consumedPoints < this.#max) return;
    const seconds = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
    throw new HttpProblem(429, 'Too many wrong secrets for this client id.', {
      headers: { 'retry-after': String(seconds) },
    });
  }

  async failed(address: string, clientId: string): Promise<void> {
    await this.#failures.penalty(keyOf(address, clientId));
  }
}

const keyOf = (address: string, clientId: string): string => JSON.stringify([address, clientId]);
