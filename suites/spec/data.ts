import type { Requirement } from './requirement.ts';

export const DATA = [] as const satisfies readonly Requirement[];
