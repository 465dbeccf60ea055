import type { z } from 'zod';
import { STANDARD_PORTS } from '../../harness/contract/names.ts';
import { commonSettings, httpUrl, integer, verifierSettings } from '../common/config.ts';

export const ingesterSettings = {
  ...commonSettings('ingester'),
  ...verifierSettings(),
  STORAGE_URL: httpUrl(`http://127.0.0.1:${STANDARD_PORTS.storage}`),
  /** The largest file, in bytes. */
  UPLOAD_MAX_BYTES: integer({ min: 0, max: 1_000_000_000_000, fallback: 1024 ** 3 }),
  /** So long an upload may come at less than 500 bytes a second, in seconds. */
  UPLOAD_STALL_S: integer({ min: 1, max: 60, fallback: 20 }),
};
export type IngesterSettings = z.output<z.ZodObject<typeof ingesterSettings>>;
