import type { Requirement } from './requirement.ts';

export const CONSUMER = [] as const satisfies readonly Requirement[];
