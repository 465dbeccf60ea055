import type { Aim } from './aim.ts';
import { CONSUMING_AIMS, PUBLISHING_AIMS } from './aims-events.ts';
import { COMMITTING_AIMS, UPLOADING_AIMS } from './aims-writing.ts';

export type { Aiming } from './aim.ts';

/**
 * Interleavings that a fault at any moment would hit once in a long while. Each comes about by something that is seen from
 * outside, not by a timer.
 */
export const AIMS = {
  ...UPLOADING_AIMS,
  ...COMMITTING_AIMS,
  ...PUBLISHING_AIMS,
  ...CONSUMING_AIMS,
} as const satisfies Record<string, Aim>;
