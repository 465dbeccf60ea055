import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import { z } from 'zod';
import { badParameter, HttpProblem, type ParameterFault } from '../common/problem.ts';
import { findUnstorableText, InexactJsonError, parseExactJson } from '../common/text.ts';
import { retentionPolicySchema } from '../contract/http.ts';

/** Room for a megabyte of metadata. */
export const FIELD_BYTES_MAX = 2 * 1024 * 1024;
const TTL_DAYS_DEFAULT = 30;

const REPLACEMENT_CHARACTER = '\u{fffd}';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON list of texts, or texts separated by commas. */
const tagsField = z.string().transform((text, context): string[] => {
  const trimmed = text.trim();
  if (!trimmed.startsWith('[')) {
    return trimmed
      .split(',')
      .map((tag) => tag.trim())
      .filter((tag) => tag !== '');
  }
  const parsed = z.array(z.string()).safeParse(parseJson(trimmed));
  if (parsed.success) return parsed.data;
  context.addIssue({ code: 'custom', message: 'must be a JSON list of texts, or texts separated by commas' });
  return z.NEVER;
});

const metadataField = z.string().transform((text, context): Record<string, unknown> => {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    const message = error instanceof InexactJsonError ? `${error.key} ${error.message}` : 'must be a JSON object';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(value);
  if (parsed.success) return parsed.data;
  context.addIssue({ code: 'custom', message: 'must be a JSON object' });
  return z.NEVER;
});

/** The fields beside the file. Those without a value count as absent. */
const fieldsSchema = z.object({
  description: z.string().optional(),
  retention_policy: retentionPolicySchema.optional(),
  ttl_days: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a whole number')
    .transform(Number)
    .refine((days) => days >= 1 && days <= 36_500, 'must be from 1 to 36500')
    .optional(),
  metadata: metadataField.optional(),
  tags: tagsField.optional(),
});
export const FIELD_NAMES = fieldsSchema.keyof().options;

export interface UploadFields {
  description: string | undefined;
  retention_policy: 'temporary' | 'permanent';
  ttl_days: number | undefined;
  metadata: Record<string, unknown> | undefined;
  tags: string[] | undefined;
}

/** @throws HttpProblem 400 that names the field */
export function parseFields(raw: Readonly<Record<string, string>>): UploadFields {
  const result = fieldsSchema.safeParse(raw);
  if (!result.success) {
    const errors = result.error.issues.map((issue) => ({ name: issue.path.join('.'), reason: issue.message }));
    throw parametersProblem(errors);
  }
  const fields = result.data;
  const fault = findUnstorableText({ ...fields });
  if (fault !== undefined) throw parametersProblem([fault]);
  const policy = fields.retention_policy ?? (fields.ttl_days === undefined ? 'permanent' : 'temporary');
  if (policy === 'permanent' && fields.ttl_days !== undefined) {
    throw badParameter('ttl_days', 'only a temporary file has a time to live');
  }
  return {
    description: fields.description,
    retention_policy: policy,
    ttl_days: policy === 'temporary' ? (fields.ttl_days ?? TTL_DAYS_DEFAULT) : undefined,
    metadata: fields.metadata,
    tags: fields.tags,
  };
}

function parametersProblem(errors: readonly ParameterFault[]): HttpProblem {
  return new HttpProblem(400, errors.map((fault) => `${fault.name}: ${fault.reason}`).join('; '), { errors });
}

/** The value of a field as text. @throws HttpProblem 400 or 413 */
export function fieldText(part: MultipartValue): string {
  if (part.valueTruncated) {
    throw new HttpProblem(413, `${part.fieldname}: must not be longer than ${FIELD_BYTES_MAX} bytes`, {
      errors: [{ name: part.fieldname, reason: 'too long' }],
    });
  }
  // A part that calls itself JSON arrives parsed.
  const text = typeof part.value === 'string' ? part.value : JSON.stringify(part.value);
  if (text.includes(REPLACEMENT_CHARACTER)) throw badParameter(part.fieldname, 'must be valid UTF-8');
  return text;
}

/**
 * What the form parser threw, as the problem it is. Its errors about the form's shape have neither a code nor a status,
 * so they are recognized by their text.
 */
export function formProblem(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HttpProblem) return error;
  if (/unexpected end of multipart data/i.test(error.message)) {
    return new HttpProblem(400, 'The multipart body ends before its closing boundary.', { cause: error });
  }
  if (/^Multipart: Boundary not found/.test(error.message)) {
    return new HttpProblem(400, 'The content type of a multipart body must name its boundary.', { cause: error });
  }
  const code = 'code' in error ? error.code : undefined;
  if (code === 'FST_INVALID_JSON_FIELD_ERROR') {
    return new HttpProblem(400, 'A field that calls itself JSON is none.', { cause: error });
  }
  return code === 'FST_FILES_LIMIT' ? badParameter('file', 'must be one file only') : error;
}

const FILENAME_ESCAPES: Readonly<Record<string, string>> = { '%22': '"', '%0A': '\n', '%0D': '\r' };

/**
 * The name of the file as the client had it. Browsers, undici and curl write `"`, LF and CR as `%22`, `%0A`, `%0D`
 * (HTML standard, "multipart/form-data encoding algorithm") and nothing else.
 * @throws HttpProblem 400
 */
export function originalFilename(part: MultipartFile): string {
  const name = part.filename.replace(/%22|%0A|%0D/g, (written) => FILENAME_ESCAPES[written] ?? written);
  if (name === '') throw badParameter('file', 'must have a file name');
  // The parser replaced invalid UTF-8; storing that would be another name than the client's.
  if (name.includes(REPLACEMENT_CHARACTER)) throw badParameter('file', 'its name must be valid UTF-8');
  const fault = findUnstorableText(name, 'file');
  if (fault !== undefined) throw parametersProblem([fault]);
  return name;
}

/** The name of the object: the id, and the extension when it is a harmless one. */
export function storageFilename(fileId: string, filename: string): string {
  const extension = /\.([A-Za-z0-9]{1,16})$/.exec(filename)?.[1];
  return extension === undefined ? fileId : `${fileId}.${extension.toLowerCase()}`;
}
