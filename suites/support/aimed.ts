import type { Aim } from './aims/aim.ts';
import { COMMITTING_AIMS } from './aims/committing.ts';
import { CONSUMING_AIMS } from './aims/consuming.ts';
import { PUBLISHING_AIMS } from './aims/publishing.ts';
import { UPLOADING_AIMS } from './aims/uploading.ts';

export type { Aiming } from './aims/aim.ts';

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
