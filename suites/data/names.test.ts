import { registryFileSchema } from '../../services/contract/http.ts';
import type { CaseContext } from '../runner/case.ts';
import { suite } from '../runner/suite.ts';
import { generated, inParallel } from '../steps/many.ts';
import { awaitMarker, type Way, waysOf } from '../steps/registrations.ts';
import { awaitSearchable, patiently, search } from '../steps/steps.ts';
import { conforms, demand } from '../steps/violation.ts';
import { generatedNames, hasOneForm, hostileNames, written } from './names.ts';
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

/** Accepted means retrievable, from the registry and from search, by id and by name, as it was given. */
async function roundTrip({ pipeline, env, evidence, signal }: CaseContext, way: Way, given: string): Promise<void> {
  // There are no bytes for a lone surrogate: what an upload sends in its place is the name to be read back.
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
  const { filename } = await awaitSearchable(pipeline, file_id, { timeoutMs: env.limits.syncMs, signal });
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
