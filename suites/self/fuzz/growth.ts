import { fileURLToPath } from 'node:url';

/** What a process holds once its garbage is collected. */
export interface Held {
  heapBytes: number;
  residentBytes: number;
  openFiles: number;
}

const METRICS: Readonly<Record<keyof Held, string>> = {
  heapBytes: 'nodejs_heap_size_used_bytes',
  residentBytes: 'process_resident_memory_bytes',
  openFiles: 'process_open_fds',
};

const moduleArguments = (name: string): string[] => ['--import', fileURLToPath(new URL(name, import.meta.url))];

/**
 * Arguments of node for a service that can say what it holds. Its young generation is kept small: under load it would grow by
 * more than a hundred megabytes that have nothing to do with what is held.
 */
export const COLLECTED: readonly string[] = [
  '--expose-gc',
  '--max-semi-space-size=4',
  ...moduleArguments('./collector.ts'),
];
/** … and that keeps something of every request. */
export const LEAKING: readonly string[] = [...COLLECTED, ...moduleArguments('./leak.ts')];

export async function heldBy(url: string): Promise<Held> {
  const text = await (await fetch(`${url}/metrics?collected`, { headers: { connection: 'close' } })).text();
  const values = Object.entries(METRICS).map(([what, name]) => {
    const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text) ?? [];
    if (value === undefined) throw new Error(`The metrics of ${url} have no ${name}`);
    return [what, Number(value)] as const;
  });
  return Object.fromEntries(values) as unknown as Held;
}
