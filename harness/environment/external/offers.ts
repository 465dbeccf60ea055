import { SERVER_NAMES, SERVICE_NAMES } from '../../../services/contract/names.ts';
import { CAPABILITIES, type Capability } from '../../config/capabilities.ts';
import type { Target } from '../../config/target.ts';
import type { PartName } from '../../record/history.ts';
import { commandsOf } from './hooks.ts';

/** What a target offers to cases, from its file alone: nothing is contacted. */
export function offersOf(target: Target): ReadonlySet<Capability> {
  const { services, credentials, redis, postgres, limits, unsupported, build, control } = target;
  const offered: Record<string, boolean> = {
    http: true,
    roles: credentials.USER !== undefined && credentials.READONLY !== undefined,
    upload: services.ingester !== undefined,
    download: services.ingester !== undefined && !unsupported.includes('download'),
    metrics: !unsupported.includes('metrics'),
    build: build !== undefined,
    'upload limit': services.ingester !== undefined && limits.upload_bytes_max !== undefined,
    'signing key': target.signing_key_file !== undefined,
    redis: redis !== undefined,
    'redis admin': redis?.admin === true,
    postgres: postgres !== undefined,
    registry: postgres?.admin !== undefined,
    'multiple-query-instances': (services.query.more ?? []).length >= 2,
    'multiple-admin-instances': (services.admin.more ?? []).length >= 1,
    'wipe redis': commandsOf(control.redis ?? { timeout_s: 1 }).wipe !== undefined,
  };
  for (const part of [...SERVER_NAMES, ...SERVICE_NAMES]) {
    const hooks = control[part];
    if (hooks === undefined || !hasAddress(target, part)) continue;
    const { kill, stop, start, pause, resume } = commandsOf(hooks);
    offered[`stop ${part}`] = kill !== undefined && stop !== undefined && start !== undefined;
    offered[`pause ${part}`] = pause !== undefined && resume !== undefined;
  }
  return new Set([...CAPABILITIES.keys()].filter((name) => offered[name] === true));
}

/** Without its address, what happens to a component could not be witnessed. */
function hasAddress({ services, redis, postgres }: Target, part: PartName): boolean {
  if (part === 'redis') return redis !== undefined;
  if (part === 'postgres') return postgres !== undefined;
  return services[part] !== undefined;
}
