import type { UploadInput } from '../../harness/index.ts';
import { registryFileSchema, uploadAnswerSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { awaitAlike, demandAlike } from '../steps/alike.ts';
import { eventually } from '../steps/eventually.ts';
import { awaitMarker, type Registration, register, registration, waysOf } from '../steps/registrations.ts';
import { findByName, patiently } from '../steps/steps.ts';
import { conforms, demand, demandEqual } from '../steps/violation.ts';
import { DATA } from './requirements.ts';

const verify = suite(DATA);

verify('DATA-02', 'A file size is kept to the last digit, from 0 to beyond 2^53, or refused with 4xx.', keepsSizes);
verify(
  'DATA-03',
  'A megabyte of user metadata, and other large fields, are accepted and searchable or refused with 4xx, and the pipeline keeps working.',
  takesLargeFields,
);
verify('DATA-04', 'A file without its optional fields syncs like any other.', syncsWithoutOptionalFields);

/** JSON numbers as they are sent, and the digits that are exact; null where there are none. */
const SIZES: readonly { sent: string; exact: string | null }[] = [
  ...['0', '1', '3000000000', '4294967296', '9007199254740991'].map((sent) => ({ sent, exact: sent })),
  // More than a double can tell apart, and around the end of 64 bits.
  ...['9007199254740993', '9223372036854775807', '9223372036854775808'].map((sent) => ({ sent, exact: sent })),
  { sent: '1e3', exact: '1000' },
  ...['1.5', '-1', '1e400', 'null', '"many"'].map((sent) => ({ sent, exact: null })),
];

/** Any registry must take these. */
const ORDINARY_MAX = 9_007_199_254_740_991n;
const JSON_HEADERS = { 'content-type': 'application/json' };

async function keepsSizes(t: CaseContext): Promise<void> {
  const { pipeline, env, evidence, random, unique, signal } = t;
  const accepted: string[] = [];
  evidence.refused = 0;
  for (const { sent, exact } of SIZES) {
    const what = `The size ${sent}`;
    const file = registration(random, { original_filename: `${unique} ${sent}.bin`, file_size: 0 });
    const body = JSON.stringify(file).replace('"file_size":0', `"file_size":${sent}`);
    const answer = await pipeline.request('admin', 'POST', '/api/v1/files', {
      headers: JSON_HEADERS,
      body,
      bytes: true,
    });
    if (answer.status !== undefined && answer.status >= 400 && answer.status < 500) {
      const isOrdinary = exact !== null && /^\d+$/.test(sent) && BigInt(exact) <= ORDINARY_MAX;
      demand(!isOrdinary, () => `${what} was refused with ${answer.status}`);
      evidence.refused++;
      continue;
    }
    demandEqual(answer.status ?? answer.outcome, 201, `${what}: the answer to the registration`);
    demandEqual(sizesIn(answer.body), [exact], `${what}: file_size in the answer`);
    const registry = await pipeline.request('admin', 'GET', `/api/v1/files/${file.file_id}`, { bytes: true });
    demandEqual(sizesIn(registry.body), [exact], `${what}: file_size in the registry`);
    const shown = await eventually(
      `${what}, searchable`,
      async () => {
        const { status, body: found } = await pipeline.request('query', 'GET', `/api/search/${file.file_id}`, {
          bytes: true,
        });
        return status === 200 ? sizesIn(found) : undefined;
      },
      { timeoutMs: env.limits.syncMs, signal },
    );
    demandEqual(shown, [exact], `${what}: file_size in the read model`);
    const wanted = `{"query":${JSON.stringify(unique)},"mode":"partial","min_size":${exact},"max_size":${exact}}`;
    demandEqual(await searchedSizes(t, wanted), [exact], `${what}: file_size of what has just this size`);
    accepted.push(exact ?? '');
  }
  const all = `{"query":${JSON.stringify(unique)},"mode":"partial","sort_by":"file_size","sort_order":"asc","limit":100}`;
  const inOrder = accepted.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  demandEqual(await searchedSizes(t, all), inOrder, 'Sizes in their order');
  evidence.accepted = accepted.length;
}

async function searchedSizes({ pipeline }: CaseContext, body: string): Promise<string[]> {
  const options = { headers: JSON_HEADERS, body, bytes: true };
  const { status, outcome, body: answer } = await pipeline.request('query', 'POST', '/api/search', options);
  demandEqual(status ?? outcome, 200, `The answer to the search ${body}`);
  return sizesIn(answer);
}

/** The digits of every file_size in a JSON text: a parser would round them. */
function sizesIn(body: unknown): string[] {
  return [...String(body).matchAll(/"file_size"\s*:\s*([^,}\s]+)/g)].map(([, digits]) => digits ?? '');
}

const MEGABYTE = 2 ** 20;

/** Each is either more than a message, a row or an index can hold somewhere, or takes more work than it seems. */
function largeInputs(): Record<string, Partial<UploadInput>> {
  const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i.toString(36)}`).join(' ');
  const nested = (depth: number): Record<string, unknown> => {
    let value: Record<string, unknown> = { end: true };
    for (let i = 1; i < depth; i++) value = { in: value };
    return value;
  };
  const entries = Array.from({ length: 20_000 }, (_, i) => [`key ${i}`, `the value of the entry with number ${i}`]);
  return {
    'metadata with a text of 1 MB': { metadata: { text: 'm'.repeat(MEGABYTE) } },
    'metadata with 20 000 keys': { metadata: Object.fromEntries(entries) },
    'metadata with 1 MB of emoji': { metadata: { text: '😀'.repeat(MEGABYTE / 4) } },
    'metadata with characters that JSON writes six times as long': {
      metadata: { text: '\u0001'.repeat(MEGABYTE / 6) },
    },
    'metadata with 100 000 numbers': { metadata: { list: Array.from({ length: 100_000 }, (_, i) => i * 7) } },
    'metadata 90 levels deep': { metadata: nested(90) },
    'metadata 200 levels deep': { metadata: nested(200) },
    'metadata 3000 levels deep': { metadata: nested(3000) },
    'a description of 90 kB of different words': { description: words(18_000) },
    'a description of 1 MB of different words': { description: words(180_000) },
    'a description of one word of 90 kB': { description: 'd'.repeat(90_000) },
    '500 tags of 200 characters': { tags: Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(200, 't')) },
    '20 000 tags': { tags: Array.from({ length: 20_000 }, (_, i) => `tag ${i}`) },
    'a tag of 100 kB': { tags: ['t'.repeat(100_000)] },
    'a content type of 100 kB': { contentType: `text/${'x'.repeat(100_000)}` },
  };
}

/** Of an upload only the form is another; what follows it is the same. */
const UPLOADED = 3;

async function takesLargeFields(t: CaseContext): Promise<void> {
  const { pipeline, evidence, unique } = t;
  Object.assign(evidence, { tried: 0, accepted: 0 });
  const unanswered: string[] = [];
  for (const { how, create } of waysOf(t)) {
    const inputs = Object.entries(largeInputs()).slice(0, how === 'upload' ? UPLOADED : undefined);
    for (const [large, input] of inputs) {
      const what = `A file with ${large}, by ${how}`;
      const filename = `${unique} ${large}, by ${how}.txt`;
      const file = { filename, content: Buffer.from('small'), contentType: 'text/plain', ...input };
      const { status, body } = await patiently(() => create(file));
      evidence.tried = Number(evidence.tried) + 1;
      // One that refuses before it has read all may close the connection before its answer was read.
      if (status === undefined) unanswered.push(filename);
      if (status === undefined || (status >= 400 && status < 500)) continue;
      demandEqual(status, 201, `${what}: the answer`);
      const { file_id } = conforms(registryFileSchema.pick({ file_id: true }), body, `${what}: the answer`);
      const { user_metadata } = await awaitAlike(t, file_id, what);
      if (input.metadata !== undefined) {
        demandEqual(user_metadata, input.metadata, `${what}: user_metadata in the registry`);
      }
      demandFound(await findByName(pipeline, filename), file_id, what);
      evidence.accepted = Number(evidence.accepted) + 1;
    }
    await awaitMarker(t, `after all large ones by ${how}`);
  }
  for (const filename of unanswered) {
    for (const { id } of await findByName(pipeline, filename)) await demandAlike(t, id, 'a creation without an answer');
  }
}

function demandFound(hits: readonly { id: string }[], fileId: string, what: string): void {
  demand(
    hits.some(({ id }) => id === fileId),
    `${what}: found by id, but not by name`,
  );
}

const OPTIONAL = ['content_type', 'description', 'uploaded_by', 'user_metadata', 'tags'] as const;

/** Registrations without each optional field and without all, with nothing in its place and with something empty. */
function sparseInputs(): Record<string, Partial<Registration>> {
  const all = (value: undefined | null): Partial<Registration> =>
    Object.fromEntries(OPTIONAL.map((name) => [name, value]));
  return {
    'no optional field': all(undefined),
    ...Object.fromEntries(OPTIONAL.map((name) => [`no ${name}`, { [name]: undefined }])),
    'every optional field null': all(null),
    ...Object.fromEntries(OPTIONAL.map((name) => [`${name} null`, { [name]: null }])),
    'an empty description, no tags in the list and no keys in the metadata': {
      description: '',
      tags: [],
      user_metadata: {},
    },
  };
}

async function syncsWithoutOptionalFields(t: CaseContext): Promise<void> {
  const { pipeline, evidence, random, unique } = t;
  evidence.files = 0;
  for (const [what, fields] of Object.entries(sparseInputs())) {
    const filename = `${unique}, ${what}`;
    const file = registration(random, { original_filename: filename, retention_policy: 'permanent', ...fields });
    const { status, outcome } = await pipeline.register({ ...file, ttl_days: undefined });
    // A field that is there and says nothing may be refused; one that is not there may not.
    const isRefusable = Object.values(fields).some((value) => value !== undefined);
    if (isRefusable && status !== undefined && status >= 400 && status < 500) continue;
    demandEqual(status ?? outcome, 201, `The answer to a registration with ${what}`);
    await demandSynced(t, file.file_id, filename);
  }
  for (const { how, create } of waysOf(t)) {
    const filename = `${unique}, bare by ${how}`;
    const { status, outcome, body } = await create({ filename, content: Buffer.from('bare') });
    demandEqual(status ?? outcome, 201, `The answer to a ${how} with nothing that is optional`);
    await demandSynced(t, conforms(uploadAnswerSchema.pick({ file_id: true }), body, `The ${how}`).file_id, filename);
  }

  const full = registration(random, { original_filename: `${unique}, emptied and filled again` });
  const { file_id: id } = await register(pipeline, full);
  await awaitAlike(t, id, `the creation of ${full.original_filename}`);
  const { content_type, description, tags, user_metadata } = full;
  const cleared = { content_type: null, description: null, tags: null, user_metadata: null };
  evidence.updates = 0;
  for (const changes of [cleared, { content_type, description, tags, user_metadata }]) {
    const { status, outcome } = await pipeline.update(id, changes);
    demandEqual(status ?? outcome, 200, `The answer to the update ${JSON.stringify(changes)}`);
    await awaitAlike(t, id, `the update ${JSON.stringify(changes)}`);
    evidence.updates++;
  }
}

async function demandSynced(t: CaseContext, fileId: string, filename: string): Promise<void> {
  await awaitAlike(t, fileId, `the creation of ${filename}`);
  demandFound(await findByName(t.pipeline, filename), fileId, filename);
  t.evidence.files = Number(t.evidence.files) + 1;
}
