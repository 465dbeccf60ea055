import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** What the kernel tells of one process. */
export interface ProcessRow {
  pid: number;
  parent: number;
  /** R, S, D, T (stopped), Z … as in proc(5). */
  state: string;
  /** Changes when a pid is used again; empty where the kernel does not tell. */
  startedAt: string;
}

const HAS_PROC = existsSync('/proc/self/stat');

function fromProc(pid: number): ProcessRow | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may itself hold spaces and parentheses: fields count from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, state: fields[0] ?? '?', parent: Number(fields[1]), startedAt: fields[19] ?? '' };
  } catch {
    // Gone between listing and reading, or never there.
    return undefined;
  }
}

function fromPs(selection: readonly string[]): ProcessRow[] {
  try {
    const text = execFileSync('ps', [...selection, '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' });
    return text.split('\n').flatMap((line) => {
      const [pid, parent, state] = line.trim().split(/\s+/);
      return state === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), state, startedAt: '' }];
    });
  } catch {
    // `ps -p` exits with 1 when there is no such process.
    return [];
  }
}

/** The process with that id, zombies not counted: they are dead and only wait to be reaped. */
export function findProcess(pid: number): ProcessRow | undefined {
  const row = HAS_PROC ? fromProc(pid) : fromPs(['-p', String(pid)])[0];
  return row === undefined || row.state.startsWith('Z') ? undefined : row;
}

function listProcesses(): ProcessRow[] {
  if (!HAS_PROC) return fromPs(['-A']);
  return readdirSync('/proc').flatMap((name) => {
    const row = /^\d+$/.test(name) ? fromProc(Number(name)) : undefined;
    return row === undefined ? [] : [row];
  });
}

/** The process and everything below it, parents before children. PostgreSQL's backends leave the process group, so groups do not do. */
export function processTree(root: number): number[] {
  const rows = listProcesses();
  const tree = [root];
  for (const pid of tree) tree.push(...rows.filter((row) => row.parent === pid).map((row) => row.pid));
  return tree;
}

/** Sends a signal; false when there was no such process any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Whether a process is the one it was: its pid may have been given to another since. */
export function isSameProcess(pid: number, startedAt: string): boolean {
  const row = findProcess(pid);
  return row !== undefined && row.startedAt === startedAt;
}

/** What an environment runs inside its folders. Debian's redis-server and valkey-server are links to their check-rdb. */
const PART_PROGRAMS = new Set([
  'node',
  'postgres',
  'redis-server',
  'redis-check-rdb',
  'valkey-server',
  'valkey-check-rdb',
]);

/**
 * Processes that carry `mark` (NAME=value) in their environment, and programs of parts that work inside one of
 * `folders`. The second catches servers that overwrite their environment with a process title, as PostgreSQL does; a
 * person's shell in such a folder is left alone. Linux only; elsewhere empty.
 */
export function markedProcesses(mark: string, folders: readonly string[]): number[] {
  if (!HAS_PROC) return [];
  const read = <T>(get: () => T): T | undefined => {
    try {
      return get();
    } catch {
      // Gone meanwhile, or another user's: not ours to know.
      return undefined;
    }
  };
  return listProcesses()
    .filter(({ pid, state }) => {
      if (pid === process.pid || state === 'Z') return false;
      const cwd = read(() => readlinkSync(`/proc/${pid}/cwd`));
      if (cwd !== undefined && folders.some((folder) => cwd === folder || cwd.startsWith(`${folder}/`))) {
        // The kernel adds a word to the name of a program that was replaced or removed since.
        const program = read(() => readlinkSync(`/proc/${pid}/exe`))?.replace(/ \(deleted\)$/, '');
        if (program !== undefined && PART_PROGRAMS.has(basename(program))) return true;
      }
      return (
        read(() => readFileSync(`/proc/${pid}/environ`, 'latin1'))
          ?.split('\0')
          .includes(mark) ?? false
      );
    })
    .map(({ pid }) => pid);
}
