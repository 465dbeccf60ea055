import fc from 'fast-check';
import { registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { generated, inParallel } from '../steps/many.ts';
import { awaitMarker, type Way, waysOf } from '../steps/registrations.ts';
import { awaitSearchable, patiently, search } from '../steps/steps.ts';
import { conforms, demand } from '../steps/violation.ts';
import { DATA } from './requirements.ts';

const verify = suite(DATA);

verify(
  'DATA-01',
  'A hostile file name is refused with 4xx, or kept exactly: it is never accepted and then changed, or impossible to sync.',
  keepsNames,
);

const GENERATED = 30;
const AT_ONCE = 4;

async function keepsNames(t: CaseContext): Promise<void> {
  const { evidence, unique } = t;
  const names = [...hostileNames(unique), ...generated(t, generatedNames(unique), GENERATED)];
  Object.assign(evidence, { tried: 0, accepted: 0, refused: 0 });
  for (const way of waysOf(t)) {
    const writable = way.how === 'upload' ? names.filter(hasOneForm) : names;
    await inParallel(writable, AT_ONCE, (name) => roundTrip(t, way, name));
  }
  await awaitMarker(t, 'after all names');
  demand(Number(evidence.accepted) > 0, 'Not one of the names was accepted, not even an ordinary one');
}

/** Accepted means to be had back, from the registry and from search, by id and by name, as it was given. */
async function roundTrip({ pipeline, env, evidence, signal }: CaseContext, way: Way, given: string): Promise<void> {
  // There are no bytes for a lone surrogate: what an upload sends in its place is the name to be had back.
  const name = way.how === 'upload' ? given.toWellFormed() : given;
  const what = `The ${way.how} of a file with the name ${written(name)}`;
  const content = Buffer.from('named');
  const file = { filename: name, content, contentType: 'text/plain' };
  const { status, outcome, error, body } = await patiently(() => way.create(file));
  evidence.tried = Number(evidence.tried) + 1;
  if (status !== undefined && status >= 400 && status < 500) {
    evidence.refused = Number(evidence.refused) + 1;
    return;
  }
  demand(status === 201, () => `${what} was answered ${status ?? error ?? outcome}, neither 201 nor 4xx`);
  const { file_id } = conforms(registryFileSchema.pick({ file_id: true }), body, `The answer to the ${way.how}`);
  const registry = await patiently(() => pipeline.registryFile(file_id));
  const { original_filename } = conforms(registryFileSchema, registry.body, `The registry's entry ${file_id}`);
  demand(original_filename === name, () => `${what} was accepted, the registry has ${written(original_filename)}`);
  const { filename } = await awaitSearchable(pipeline, file_id, { timeoutMs: env.promises.syncMs, signal });
  demand(filename === name, () => `${what} was accepted, the read by id shows ${written(filename)}`);

  const wanted = { query: name, mode: 'exact', limit: 1000, sort_by: 'created_at', sort_order: 'desc' };
  const { results } = await search(pipeline, wanted);
  demand(
    results.some(({ id }) => id === file_id),
    () => `${what} was accepted, a search for the name does not find it`,
  );
  const other = results.find((hit) => hit.filename !== name);
  demand(
    other === undefined,
    () => `A search for the name ${written(name)} finds ${written(other?.filename ?? '')}, too`,
  );
  evidence.accepted = Number(evidence.accepted) + 1;
}

/** In ASCII, and with the length, of which the eye sees nothing. */
function written(name: string): string {
  const ascii = JSON.stringify(name).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const characters = [...name].length;
  return ascii.length <= 100
    ? `${ascii} (${characters} characters)`
    : `${ascii.slice(0, 100)}… (${characters} characters)`;
}

/** Forms write line ends and quotes of names in more than one way, so that an upload of them says nothing of the name. */
function hasOneForm(name: string): boolean {
  return !/[\r\n]|%22|%0[ad]/i.test(name);
}

function hostileNames(unique: string): string[] {
  const long = (characters: number): string => unique.padEnd(characters, 'n');
  return [
    `${unique}.txt`,
    // What texts of PostgreSQL and UTF-8 have no form for.
    ...[
      '\0',
      'NUL\0inside.txt',
      '\ud83d',
      `${unique} high \ud83d.txt`,
      `${unique} low \ude00.txt`,
      `${unique} \ude00\ud83d`,
    ],
    // One name to the eye, and more than one to a computer.
    ...[
      `${unique} caf\u00e9.txt`,
      `${unique} cafe\u0301.txt`,
      `${unique} \u212b`,
      `${unique} \u00c5`,
      `${unique} \ufb01`,
    ],
    ...[
      `${unique} \ud55c\uae00`,
      `${unique} \u1112\u1161\u11ab\u1100\u1173\u11af`,
      `${unique} Stra\u00dfe`,
      `${unique} STRASSE`,
    ],
    // Around the lengths at which columns and file systems end, in characters and in bytes.
    ...[255, 256, 257, 500, 501, 1000, 1001, 1024, 2047, 2048, 2049, 4096, 5000, 100_000].map(long),
    ...['\u{1f600}'.repeat(255), '\u{1f600}'.repeat(256), '\u00e9'.repeat(1024), `${unique}.${'x'.repeat(300)}`],
    `${unique} \u{1f469}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}\u{1f3f3}\ufe0f\u200d\u{1f308}`,
    // Written from right to left, or in no direction.
    ...[
      `${unique} \u05e9\u05dc\u05d5\u05dd.txt`,
      `${unique} \u202egpj.exe`,
      `\u200f${unique}`,
      `${unique}\u200b`,
      `\ufeff${unique}`,
    ],
    ...[`${unique} \ufffd`, `${unique} \uffff`, `${unique} \u{10ffff}`, `${unique} e${'\u0301'.repeat(100)}`],
    // Paths.
    ...[
      `../../${unique}`,
      `/etc/${unique}`,
      `C:\\temp\\${unique}`,
      `${unique}/a\\b`,
      `./${unique}`,
      `${unique}/`,
      '/',
      '\\',
    ],
    ...['.', '..', '...', '', ' ', '   ', '~', 'CON', 'nul.txt', '-rf', `${unique}.`],
    // Characters that are no text.
    ...[`${unique} \t tab`, `${unique} \r\n lines`, `${unique} \x01\x02\x1b[31m`, `${unique} \x7f\x85`, `\n${unique}`],
    ...[` ${unique}`, `${unique} `, `\u00a0${unique}\u3000`, `${unique}  two  spaces`, `${unique} \u2028 line`],
    // What means something where it is written without care.
    ...[`${unique} "double" 'single'`, `${unique} %00 %2e%2e%2f %22`, `${unique} <script>`, `${unique} ;filename="x"`],
  ];
}

/** Any code points, and those that hurt more often than they would come by chance; some of them very long. */
function generatedNames(unique: string): fc.Arbitrary<string> {
  const hurting = [
    '\0',
    '\ud800',
    '\udfff',
    '\u0301',
    '\u200d',
    '\u202e',
    '/',
    '\\',
    '"',
    '\x1f',
    '\u{1f600}',
    ' ',
    '.',
    '%',
  ];
  const character = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom(...hurting));
  const text = fc.array(character, { minLength: 1, maxLength: 20 }).map((characters) => characters.join(''));
  return fc
    .tuple(text, fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 60 })))
    .map(([part, times]) => `${unique} ${part.repeat(times)}`);
}
