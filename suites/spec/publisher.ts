import type { Requirement } from './requirement.ts';

export const PUBLISHER = [] as const satisfies readonly Requirement[];
