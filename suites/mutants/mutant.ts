import { z } from 'zod';
import { SERVICE_NAMES } from '../../services/contract/names.ts';

/** Who can load a broken variant. */
const LOADERS = [...SERVICE_NAMES, 'harness'] as const;
export type Loader = (typeof LOADERS)[number];

const editSchema = z
  .strictObject({
    file: z.string().min(1).describe("relative to the project's folder"),
    find: z.string().min(1).describe('occurs exactly once in the file'),
    replace: z.string(),
  })
  .describe('one exact change of a source file');

export const mutantSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9-]+$/, 'must be lower-case letters, digits and hyphens'),
    defect: z.string().min(1).describe('what is wrong with it'),
    services: z
      .array(z.enum(LOADERS))
      .describe('the services that load it, or the harness itself; the others run as they are'),
    caughtBy: z.array(z.string().min(1)).min(1).describe('each of these must answer it with the verdict fail'),
    edits: z.array(editSchema).default([]),
    sql: z
      .partialRecord(z.enum(['admin', 'query']), z.array(z.string().min(1)))
      .optional()
      .describe("statements that are run in a service's database once it is up"),
    redis: z
      .partialRecord(z.enum(['admin', 'query']), z.array(z.string().min(1)))
      .optional()
      .describe("what a service's user at Redis may do besides, as selectors of its ACL; no other user may do more"),
    aims: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('the aims of the soak that have to find it; without them, a soak that is drawn from a fixed seed'),
    unrepaired: z
      .literal(true)
      .optional()
      .describe(
        'it compares nothing with the registry either: for defects that lose events, which the reference would notice and mend, so that from outside nothing is wrong',
      ),
  })
  .describe('a broken variant of the reference: small, exact, applied when a service loads, never a flag in its code');

/** One exact change of a source file. */
export type Edit = z.output<typeof editSchema>;

/** A broken variant of the reference. */
export type Mutant = Readonly<z.output<typeof mutantSchema>>;
