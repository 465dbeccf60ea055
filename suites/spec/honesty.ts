import type { Requirement } from './requirement.ts';

export const HONESTY = [] as const satisfies readonly Requirement[];
