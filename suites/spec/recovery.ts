import type { Requirement } from './requirement.ts';

export const RECOVERY = [] as const satisfies readonly Requirement[];
