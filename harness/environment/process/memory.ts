import { readFile } from 'node:fs/promises';
import { processTree } from './table.ts';

/**
 * The resident memory of a process and of everything below it, in bytes: what each has for itself, and once what they
 * share, as PostgreSQL's backends do their buffers. Linux only (proc(5), `/proc/PID/status`).
 * @returns undefined where there is no such process, or nobody tells
 */
export async function residentBytes(root: number): Promise<number | undefined> {
  const each = await Promise.all(processTree(root).map(statusOf));
  const known = each.filter((status) => status !== undefined);
  if (known.length === 0) return undefined;
  const own = known.reduce((sum, { anonymous }) => sum + anonymous, 0);
  return own + Math.max(...known.map(({ shareable }) => shareable));
}

async function statusOf(pid: number): Promise<{ anonymous: number; shareable: number } | undefined> {
  // Gone since it was listed, or another system.
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (text === undefined || !text.includes('RssAnon:')) return undefined;
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { anonymous: bytes('RssAnon'), shareable: bytes('RssFile') + bytes('RssShmem') };
}
