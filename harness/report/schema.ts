import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { RESULT_SCHEMA_VERSION, runResultSchema } from './result.ts';

/** The published schema's place, from the project's root. */
export const RESULT_SCHEMA_PATH = 'reports/result.schema.json';

/** The JSON Schema (draft 2020-12) of `result.json`, as the text of the published file. */
export function resultJsonSchema(): string {
  const schema = {
    $id: `urn:syncproof:result:${RESULT_SCHEMA_VERSION}`,
    title: 'syncproof run result',
    ...z.toJSONSchema(runResultSchema, { target: 'draft-2020-12' }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

// `node harness/report/schema.ts` renews the published file after a change of result.ts.
if (import.meta.main) writeFileSync(new URL(`../../${RESULT_SCHEMA_PATH}`, import.meta.url), resultJsonSchema());
