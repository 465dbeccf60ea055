import { SERVER_NAMES, SERVICE_NAMES, type ServerName, type ServiceName } from '../contract/names.ts';
import type { Environment } from '../environment/environment.ts';
import type { PartName } from '../record/history.ts';
import type { Recorder } from '../record/writer.ts';
import type { Fault } from './fault.ts';
import { DEFAULT_LIMITS, type FaultLimits, type FaultPlan, startFault } from './lifecycle.ts';
import { blackholePlan, refusePlan, type WireChoice } from './network-faults.ts';
import { type DataFate, killPlan, pausePlan, restartPlan, stopPlan } from './part-faults.ts';

export interface PartFaults {
  /** SIGKILL. */
  kill(): Promise<Fault>;
  /** SIGTERM and an orderly end. */
  stop(): Promise<Fault>;
  /** SIGSTOP: alive, connectable, silent. */
  pause(): Promise<Fault>;
  /** An orderly end and a start; healed when it resolves. */
  restart(): Promise<Fault>;
}

export interface ServerFaults extends PartFaults {
  /** SIGKILL; with `data: 'lose'` it comes back empty when healed. */
  kill(options?: { data?: DataFate }): Promise<Fault>;
  restart(options?: { data?: DataFate }): Promise<Fault>;
}

export interface NetworkFaults {
  refuse(choice: WireChoice): Promise<Fault>;
  blackhole(choice: WireChoice): Promise<Fault>;
}

export type Faults = Readonly<Record<ServerName, ServerFaults>> &
  Readonly<Record<ServiceName, PartFaults>> & { readonly network: NetworkFaults };

/**
 * The faults of an environment as plain verbs: `await using outage = await faults.redis.kill()`. Each resolves when the
 * fault was seen from outside to be in effect, and its disposal when it was seen to be over.
 */
export function createFaults(environment: Environment, recorder: Recorder, limits: Partial<FaultLimits> = {}): Faults {
  const start = (plan: FaultPlan): Promise<Fault> => startFault(plan, recorder, { ...DEFAULT_LIMITS, ...limits });
  const ofPart = (part: PartName): ServerFaults => ({
    kill: (options) => start(killPlan({ environment, part }, options?.data ?? 'keep')),
    stop: () => start(stopPlan({ environment, part })),
    pause: () => start(pausePlan({ environment, part })),
    restart: (options) => start(restartPlan({ environment, part }, options?.data ?? 'keep')),
  });
  const all = Object.fromEntries([...SERVER_NAMES, ...SERVICE_NAMES].map((part) => [part, ofPart(part)])) as Record<
    PartName,
    ServerFaults
  >;
  return {
    ...all,
    network: {
      refuse: (choice) => start(refusePlan(environment, choice)),
      blackhole: (choice) => start(blackholePlan(environment, choice)),
    },
  };
}
