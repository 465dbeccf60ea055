/** Writes the documents that are made from the code: `node suites/document.ts`. Tests say when one is stale. */
import { writeFileSync } from 'node:fs';
import { TARGET_SCHEMA_PATH, targetJsonSchema } from '../harness/config/target.ts';
import { RESULT_SCHEMA_PATH, resultJsonSchema } from '../harness/report/result.ts';
import { ledgerDocument } from './ledger/document.ts';
import { REQUIREMENTS } from './requirements.ts';
import { soakFaults } from './soak/requirements.ts';

const write = (path: string, text: string): void => writeFileSync(new URL(`../${path}`, import.meta.url), text);

write('docs/requirements.md', ledgerDocument(REQUIREMENTS, soakFaults()));
write(TARGET_SCHEMA_PATH, targetJsonSchema());
write(RESULT_SCHEMA_PATH, resultJsonSchema());
