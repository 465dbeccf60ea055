import { SERVER_NAMES, SERVICE_NAMES, type ServerName, type ServiceName } from '../../services/contract/names.ts';
import type { Environment, Instance } from '../environment/common/environment.ts';
import type { PartName } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import { DEFAULT_LIMITS, type Ending, type Fault, type FaultLimits, type FaultPlan, startFault } from './fault.ts';
import {
  type BlackholeChoice,
  blackholePlan,
  type DelayChoice,
  delayPlan,
  forgetPlan,
  type ReplyLossChoice,
  refusePlan,
  replyLossPlan,
  type ThrottleChoice,
  throttlePlan,
  type WireChoice,
} from './network-faults.ts';
import {
  type DatabaseUser,
  type DataFate,
  fillDiskPlan,
  killPlan,
  pausePlan,
  restartPlan,
  stopBackendsPlan,
  stopPlan,
  terminateBackendsPlan,
} from './part-faults.ts';
import { failOverPlan, loseTailPlan, type TailChoice } from './redis-data.ts';
import { type RedisError, redisErrorPlan } from './redis-errors.ts';
import { type CommitChoice, clockAheadPlan, failCommitsPlan, holdCommitsPlan } from './registry-faults.ts';
import { type FaultTarget, targetOf, targetOfInstance } from './witness.ts';

export interface PartFaults {
  /** SIGKILL. */
  kill(): Promise<Fault>;
  /** SIGTERM and an orderly end. */
  stop(): Promise<Fault & { readonly ended: Ending }>;
  /** SIGSTOP: alive, connectable, silent. */
  pause(): Promise<Fault>;
  /** An orderly end and a start; healed when it resolves. */
  restart(): Promise<Fault>;
}

export interface ServerFaults extends PartFaults {
  /** SIGKILL; with `data: 'lose'` it is empty when healed. */
  kill(options?: { data?: DataFate }): Promise<Fault>;
  restart(options?: { data?: DataFate }): Promise<Fault>;
}

export interface RedisFaults extends ServerFaults {
  /** It dies and recovers with slightly older data; the last events are lost. A load must write some meanwhile. */
  loseTail(choice: TailChoice): Promise<Fault>;
  /** A replica that missed the last events takes over, read-only until healed. A load must write some meanwhile. */
  failOver(): Promise<Fault>;
}

export interface PostgresFaults extends ServerFaults {
  /** Nothing more can be written to its disk. Should it end by that, healing starts it again. */
  fillDisk(): Promise<Fault>;
}

export interface NetworkFaults {
  refuse(choice: WireChoice): Promise<Fault>;
  blackhole(choice: BlackholeChoice): Promise<Fault>;
  /** Open connections become half-open (silently dropped), new ones are established; healed when it resolves. */
  forget(choice: WireChoice): Promise<Fault>;
  delay(choice: DelayChoice): Promise<Fault>;
  throttle(choice: ThrottleChoice): Promise<Fault>;
  /** Resolves when the first answer was lost: something must cause requests meanwhile. */
  loseReplies(choice: ReplyLossChoice): Promise<Fault>;
}

export interface BackendFaults {
  /** Ends every connection of a service. */
  terminate(user: DatabaseUser): Promise<Fault>;
  /** SIGSTOP of the backends behind every connection of a service. */
  stop(user: DatabaseUser): Promise<Fault>;
}

export interface RegistryFaults {
  /** Transactions that change some files hang at their COMMIT. */
  holdCommits(choice: CommitChoice): Promise<Fault>;
  /** Transactions that change some files are rolled back at their COMMIT. */
  failCommits(choice: CommitChoice): Promise<Fault>;
  /** The times of some files' changes are an hour ahead. */
  clockAhead(choice: CommitChoice): Promise<Fault>;
}

export type Faults = Readonly<Record<ServerName, ServerFaults>> &
  Readonly<Record<ServiceName, PartFaults>> & {
    readonly redis: RedisFaults;
    readonly postgres: PostgresFaults;
    readonly network: NetworkFaults;
    readonly backends: BackendFaults;
    readonly registry: RegistryFaults;
    /** Redis answers writes with an error. */
    redisAnswers(error: RedisError): Promise<Fault>;
    /** The faults of a further instance. */
    of(instance: Instance): PartFaults;
  };

/**
 * The faults of an environment as plain verbs: `await using outage = await faults.redis.kill()`. Each resolves when the
 * fault was seen from outside to be in effect, and its disposal when it was seen to be over.
 */
export function createFaults(environment: Environment, recorder: Recorder, limits: Partial<FaultLimits> = {}): Faults {
  const start = (plan: FaultPlan): Promise<Fault> => startFault(plan, recorder, { ...DEFAULT_LIMITS, ...limits });
  const ofTarget = (target: () => FaultTarget): ServerFaults => ({
    kill: (options) => start(killPlan(target(), options?.data ?? 'keep')),
    async stop() {
      let ended: Ending | undefined;
      const fault = await start(
        stopPlan(target(), (ending) => {
          ended = ending;
        }),
      );
      return { ...fault, ended: ended ?? { exitCode: null, ms: 0, inTime: true } };
    },
    pause: () => start(pausePlan(target())),
    restart: (options) => start(restartPlan(target(), options?.data ?? 'keep')),
  });
  const all = Object.fromEntries(
    [...SERVER_NAMES, ...SERVICE_NAMES].map((part) => [part, ofTarget(() => targetOf(environment, part))]),
  ) as Record<PartName, ServerFaults>;
  return {
    ...all,
    redis: {
      ...all.redis,
      loseTail: (choice) => start(loseTailPlan(environment, choice)),
      failOver: () => start(failOverPlan(environment)),
    },
    postgres: { ...all.postgres, fillDisk: () => start(fillDiskPlan(environment)) },
    of: (instance) => ofTarget(() => targetOfInstance(instance)),
    redisAnswers: (error) => start(redisErrorPlan(environment, error)),
    backends: {
      terminate: (user) => start(terminateBackendsPlan(environment, user)),
      stop: (user) => start(stopBackendsPlan(environment, user)),
    },
    registry: {
      holdCommits: (choice) => start(holdCommitsPlan(environment, choice)),
      failCommits: (choice) => start(failCommitsPlan(environment, choice)),
      clockAhead: (choice) => start(clockAheadPlan(environment, choice)),
    },
    network: {
      refuse: (choice) => start(refusePlan(environment, choice)),
      blackhole: (choice) => start(blackholePlan(environment, choice)),
      forget: (choice) => start(forgetPlan(environment, choice)),
      delay: (choice) => start(delayPlan(environment, choice)),
      throttle: (choice) => start(throttlePlan(environment, choice)),
      loseReplies: (choice) => start(replyLossPlan(environment, choice)),
    },
  };
}
