import { CAPABILITIES, type Capability } from '../contract/capabilities.ts';
import type { Disk } from './disk.ts';
import type { EnvironmentKind } from './environment.ts';
import { canMount } from './process/small-disk.ts';

/**
 * What the reference pipeline offers to cases where it is started here.
 * @param started absent: what it could offer, if asked for when it is started
 */
export function ownOffers(
  kind: EnvironmentKind,
  started?: { postgresDisk: Disk | undefined },
): ReadonlySet<Capability> {
  const fillable = started === undefined ? kind !== 'processes' || canMount() : started.postgresDisk;
  return new Set([...CAPABILITIES.keys()].filter((name) => name !== 'fill postgres' || fillable));
}
