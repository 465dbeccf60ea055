import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  connectPostgres,
  describeError,
  type Environment,
  type EnvironmentOptions,
  isOwn,
  monotonicMs,
  type OwnEnvironment,
  pollUntil,
  startEnvironment,
  writeStackHelp,
} from '../../harness/index.ts';
import { currentRun } from './run.ts';

export type EnvironmentChoices = Pick<EnvironmentOptions, 'storage' | 'settings' | 'deferred' | 'postgresDisk'>;

/** The environment of some cases: started by the first that needs it, stopped after the last. */
class CaseEnvironment {
  readonly #choices: EnvironmentChoices;
  #starting: Promise<Environment> | undefined;
  #kept = false;

  constructor(choices: EnvironmentChoices) {
    this.#choices = choices;
  }

  /**
   * A start that failed is not tried again: the cases that follow get the same error at once.
   * @param key the case that needs it; of the first one it is recorded
   */
  get(key: string): Promise<Environment> {
    this.#starting ??= startForRun(this.#choices, key);
    return this.#starting;
  }

  /** Leaves the environment up for a person to look at, until the run is interrupted; no other case gets it. */
  keep(): void {
    this.#kept = true;
    this.#leave();
  }

  /** No other case gets it. */
  async stop(): Promise<void> {
    this.#leave();
    if (this.#starting === undefined) return;
    // A start that failed has cleaned up and has been reported by its case.
    const environment = await this.#starting.catch(() => undefined);
    if (environment === undefined) return;
    if (this.#kept && isOwn(environment)) await keepUntilInterrupted(environment);
    await environment.stop();
  }

  #leave(): void {
    for (const [key, each] of shared) if (each === this) shared.delete(key);
  }
}

/** Those of this process, that its end must stop; of shared ones only one at a time for the same choices. */
const opened: CaseEnvironment[] = [];
const shared = new Map<string, CaseEnvironment>();

/** The environment that cases with these choices share, until one of them does not pass. */
export function sharedEnvironment(choices: EnvironmentChoices): CaseEnvironment {
  const key = JSON.stringify(choices);
  const found = shared.get(key) ?? ownEnvironment(choices);
  shared.set(key, found);
  return found;
}

/** An environment for one case alone. */
export function ownEnvironment(choices: EnvironmentChoices): CaseEnvironment {
  const environment = new CaseEnvironment(choices);
  opened.push(environment);
  return environment;
}

/** Stops what this process has started. @throws AggregateError with all that went wrong */
export async function stopEnvironments(): Promise<void> {
  const results = await Promise.allSettled(opened.map((environment) => environment.stop()));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (errors.length > 0) throw new AggregateError(errors, errors.map(describeError).join('; '));
}

/** Starts an environment for a case, as the run's context says. */
function startForRun(choices: EnvironmentChoices, key: string): Promise<Environment> {
  const { context, target, history, signal } = currentRun();
  const options: EnvironmentOptions = {
    kind: context.plan.environment,
    profile: context.plan.profile,
    recorder: history.forCase(key),
    storage: 'memory',
    logDirectory: join(context.outputDirectory, 'logs'),
    signal,
    target,
    nodeArguments: context.variant?.nodeArguments,
    redisGrants: context.variant?.redisGrants,
    ...choices,
  };
  return inTurn(async () => {
    const environment = await startEnvironment(options);
    await runStatements(environment);
    return environment;
  });
}

/** How a broken variant gets in that is none of the sources: the run's context says what to do to a database. */
async function runStatements(environment: Environment): Promise<void> {
  const sql = currentRun().context.variant?.sql ?? {};
  for (const service of ['admin', 'query'] as const) {
    const statements = sql[service] ?? [];
    if (statements.length === 0) continue;
    const database = connectPostgres(environment.databaseAccess(service));
    try {
      for (const statement of statements) await database.query(statement);
    } finally {
      await database.end();
    }
  }
}

/** Its components live as long as this process, so that a kept environment, too, ends with its owner. */
async function keepUntilInterrupted(environment: OwnEnvironment): Promise<void> {
  const { history, signal } = currentRun();
  const help = await writeStackHelp(environment);
  history.record({
    type: 'environment',
    environmentId: environment.id,
    kind: environment.kind,
    status: 'kept',
    detail: `addresses, accounts and lines to paste: ${help}; Ctrl-C ends it`,
  });
  if (signal.aborted) return;
  // A timer keeps the process alive: a listener alone would not.
  const alive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  clearInterval(alive);
}

const TURN_TIMEOUT_MS = 100_000;

let tickets = 0;

/**
 * Lets one environment of the run start at a time, first come, first served. Starting costs all cores for a moment:
 * several at once would starve each other, and the cases that already run beside them.
 */
async function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const { context, signal } = currentRun();
  const folder = join(context.outputDirectory, '.environments-starting');
  await mkdir(folder, { recursive: true });
  // The monotonic clock is the same for all processes of a machine, and names of one length sort as their numbers do.
  const ticket = `${monotonicMs().toFixed(3).padStart(20, '0')}-${process.pid}-${tickets++}`;
  const path = join(folder, ticket);
  await writeFile(path, '');
  try {
    await pollUntil(() => isDue(folder, ticket), {
      what: 'this environment to have its turn to start',
      timeoutMs: TURN_TIMEOUT_MS,
      intervalMs: 25,
      intervalMsMax: 50,
      signal,
    });
    return await start();
  } finally {
    await rm(path, { force: true });
  }
}

/** True once no living process holds an older ticket. */
async function isDue(folder: string, ticket: string): Promise<true | undefined> {
  const older = (await readdir(folder)).filter((name) => name < ticket);
  const dead = older.filter((name) => !isAlive(Number(name.split('-')[1])));
  await Promise.all(dead.map((name) => rm(join(folder, name), { force: true })));
  return older.length === dead.length ? true : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
