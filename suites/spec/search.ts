import type { Requirement } from './requirement.ts';

export const SEARCH = [] as const satisfies readonly Requirement[];
