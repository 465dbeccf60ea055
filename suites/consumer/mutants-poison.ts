import type { Mutant } from '../mutants/mutant.ts';

/** What can be wrong with events that cannot be applied, and with telling them from those that can. */
export const POISON_MUTANTS: readonly Mutant[] = [
  {
    id: 'poison-retried-for-ever',
    defect: 'an event that the database refuses is retried for ever',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'if (item === undefined || refusals < DATA_ATTEMPTS_MAX) continue;',
        replace: 'if (item === undefined || refusals < Number.POSITIVE_INFINITY) continue;',
      },
    ],
  },
  {
    id: 'exception-ends-the-loop',
    defect: 'an event that cannot be read throws, and that ends the read loop',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'else outcome.dead.push({ entry, error: parsed.error, attempts: 1 });',
        replace: 'else throw new Error(parsed.error);',
      },
      {
        file: 'services/query/consumer.ts',
        find: 'if (signal.aborted) return;\n        failures++;',
        replace: 'if (signal.aborted || (error as Error).name === "Error") return;\n        failures++;',
      },
    ],
  },
  {
    id: 'exception-repeats-the-batch',
    defect: 'an event that cannot be read throws, and its batch is read again and again',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: 'else outcome.dead.push({ entry, error: parsed.error, attempts: 1 });',
        replace: 'else throw new Error(parsed.error);',
      },
    ],
  },
  {
    id: 'poison-dropped',
    defect: 'an event that cannot be applied is acknowledged and dropped',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await stream.deadLetter(letter);',
        replace: 'await stream.acknowledge([letter.entry.id]);',
      },
    ],
  },
  {
    id: 'dead-letter-stays-pending',
    defect: 'an event is dead-lettered and not acknowledged',
    services: ['query'],
    caughtBy: ['CON-07/many'],
    edits: [
      {
        file: 'services/query/stream.ts',
        find: "return redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])`;",
        replace: 'return 1`;',
      },
    ],
  },
  {
    id: 'poison-takes-its-batch-along',
    defect: 'one event that the database refuses makes dead letters of its whole batch',
    services: ['query'],
    caughtBy: ['CON-07/single'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: '} else if (items.length > 1) {',
        replace: `} else if (items.length > 1 && kind === 'data') {
          for (const { entry } of items) outcome.dead.push({ entry, error: describeRefusal(error), attempts: 1 });
          return;
        } else if (items.length > 1) {`,
      },
    ],
  },
  {
    id: 'poison-retried-slowly',
    defect: 'everything waits a second after each attempt at an event that the database refuses',
    services: ['query'],
    caughtBy: ['CON-07/many'],
    edits: [
      {
        file: 'services/query/batch.ts',
        find: "if (kind === 'data') refusals++;",
        replace: `if (kind === 'data') {
          refusals++;
          await pause(1000, this.#dependencies.signal);
        }`,
      },
    ],
  },
  {
    id: 'every-error-counts-as-poison',
    defect: 'every error counts towards the dead letter, an unavailable database too',
    services: ['query'],
    caughtBy: ['CON-08'],
    edits: [
      {
        file: 'services/query/events.ts',
        find: "if (typeof code !== 'string') return 'outage';",
        replace: "if (typeof code !== 'string') return 'data';",
      },
      {
        file: 'services/query/events.ts',
        find: "return CONTENDED.has(code) ? 'contended' : 'outage';",
        replace: "return CONTENDED.has(code) ? 'contended' : 'data';",
      },
    ],
  },
  {
    id: 'deliveries-count-as-attempts',
    defect: 'what was delivered more than ten times is dead-lettered, whatever the reason was',
    services: ['query'],
    caughtBy: ['CON-08'],
    redis: { query: ['~file-events +xpending +xclaim'] },
    edits: [
      {
        file: 'services/query/consumer.ts',
        find: 'await this.#process(page.entries);',
        replace: `for (const entry of [...page.entries]) {
        const [facts] = await stream.pendingOf(entry.id);
        if (Number(facts?.[3]) <= 10) continue;
        await stream.deadLetter({ entry, error: 'delivered too often', attempts: Number(facts?.[3]) });
        page.entries.splice(page.entries.indexOf(entry), 1);
      }
      await this.#process(page.entries);`,
      },
      {
        file: 'services/query/stream.ts',
        find: '  async acknowledge(ids',
        replace: `  async pendingOf(id: string): Promise<unknown[][]> {
    return (await this.#call('XPENDING', this.names.stream, this.names.group, id, id, 1)) as unknown[][];
  }

  async acknowledge(ids`,
      },
    ],
  },
  {
    id: 'locked-row-is-poison',
    defect: 'an event whose row is locked is dead-lettered after a few tries',
    services: ['query'],
    caughtBy: ['CON-10'],
    edits: [{ file: 'services/query/events.ts', find: "? 'contended' : 'outage'", replace: "? 'data' : 'outage'" }],
  },
];
