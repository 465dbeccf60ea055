import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { targetSchema } from './target.ts';

/** The published schema's place, from the project's root: editors check and complete target files with it. */
export const TARGET_SCHEMA_PATH = 'docs/target.schema.json';

/** The JSON Schema (draft 2020-12) of a target file, as the text of the published file. */
export function targetJsonSchema(): string {
  const schema = {
    $id: 'urn:syncproof:target:1',
    title: 'syncproof target file',
    ...z.toJSONSchema(targetSchema, { target: 'draft-2020-12', io: 'input' }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

// `node harness/config/target-schema.ts` renews the published file after a change of target.ts.
if (import.meta.main) writeFileSync(new URL(`../../${TARGET_SCHEMA_PATH}`, import.meta.url), targetJsonSchema());
