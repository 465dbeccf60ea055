import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ControlHooks } from '../../../harness/config/target.ts';

/** What runs, as the harness's own plans of parts say it. */
export interface Launch {
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Root only: as whom it runs. */
  uid?: number;
  gid?: number;
}

/** A part that a shell script starts, and whose pid file is all that is known of it. */
export interface PlainPart {
  name: string;
  hooks: Omit<ControlHooks, 'timeout_s'>;
  start(): Promise<void>;
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * Writes `NAME.start.sh`, which starts the part in the background and puts its pid into `NAME.pid`, and gives the commands
 * of a target file in the same folder.
 */
export async function plainPart(
  folder: string,
  name: string,
  launch: Launch,
  { mark, stopSignal = 'TERM', children = false }: { mark: string; stopSignal?: string; children?: boolean },
): Promise<PlainPart> {
  const { command, args, env = {}, cwd = folder, uid, gid } = launch;
  const variables = Object.entries(env).map(([key, value]) => quoted(`${key}=${value}`));
  const asUser = uid === undefined ? '' : `setpriv --reuid=${uid} --regid=${gid} --clear-groups `;
  const line = `env -i ${quoted(mark)} ${variables.join(' ')} ${asUser}${[command, ...args].map(quoted).join(' ')}`;
  const script = `#!/bin/sh
# Starts ${name}; its process id is in ${name}.pid.
cd "$(dirname "$0")" || exit 1
# One that was just ended still holds its data and its address for a moment.
for try in $(seq 100); do kill -0 "$(cat ${name}.pid 2> /dev/null)" 2> /dev/null || break; sleep 0.05; done
folder=$PWD
cd ${quoted(cwd)} || exit 1
${line} >> "$folder/${name}.log" 2>&1 < /dev/null &
echo $! > "$folder/${name}.pid"
`;
  await writeFile(join(folder, `${name}.start.sh`), script);
  const pid = `$(cat ${name}.pid)`;
  // PostgreSQL is several processes, which neither die nor stand still with their first one.
  const all = children ? `${pid} $(pgrep -P ${pid})` : pid;
  return {
    name,
    hooks: {
      kill: `kill -KILL ${all}`,
      stop: `kill -${stopSignal} ${pid}`,
      start: `sh ${name}.start.sh`,
      pause: `kill -STOP ${all}`,
      resume: `kill -CONT ${all}`,
    },
    async start() {
      await promisify(execFile)('sh', [`${name}.start.sh`], { cwd: folder });
    },
  };
}
