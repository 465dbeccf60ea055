import type { z } from 'zod';
import { commonSettings, text, verifierSettings } from '../common/config.ts';

export const storageSettings = {
  ...commonSettings('storage'),
  ...verifierSettings(),
  STORAGE_DIR: text(),
  STORAGE_ELEMENT_ID: text('storage-1'),
};
export type StorageSettings = z.output<z.ZodObject<typeof storageSettings>>;
