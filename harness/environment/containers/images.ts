import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMAGE_ROLES, type ImageRole, imageSetting } from '../../config/machine.ts';
import { describeError, UnreachableError } from '../../core/errors.ts';
import { type Engine, within } from '../common/docker.ts';

export type Images = Readonly<Record<ImageRole, string>>;

/** Names to try when the setting names none, the official one (or the one that `docker compose build` makes) first. */
const DEFAULT_NAMES: Readonly<Record<ImageRole, readonly [string, string]>> = {
  redis: ['redis:7', 'syncproof/redis:offline'],
  postgres: ['postgres:18', 'syncproof/postgres:offline'],
  service: ['syncproof/service:latest', 'syncproof/service:offline'],
};

const HOW_TO_BUILD =
  'build it with `docker compose -f docker/compose.yaml build`, or without a registry with docker/offline/build.sh';
const REGISTRY_TIMEOUT_MS = 1200;

/** What the services' image is built from; see `sources_digest` in docker/offline/build.sh. */
const SOURCES = ['services', 'docker/healthcheck.mjs', 'docker/warm.mjs', 'package.json', 'pnpm-lock.yaml'];
/** Of these the image has nothing. */
const IS_OF_TESTS = /\/fixtures\/|\.(test|bench)\.ts$/;
const SOURCES_LABEL = 'org.syncproof.sources';
export const PROJECT_FOLDER = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Decides which image each part runs from: the setting's, else the first default that is here, else the official one if
 * the registry has it.
 * @throws UnreachableError that says which image is missing or stale and how to get it
 */
export async function chooseImages(engine: Engine): Promise<Images> {
  const chosen = await Promise.all(IMAGE_ROLES.map((role) => choose(engine, role)));
  return { redis: chosen[0] ?? '', postgres: chosen[1] ?? '', service: chosen[2] ?? '' };
}

async function choose(engine: Engine, role: ImageRole): Promise<string> {
  const setting = imageSetting(role);
  const names = setting === undefined ? DEFAULT_NAMES[role] : [setting];
  const objections: string[] = [];
  for (const name of names) {
    const labels = await labelsOf(engine, name);
    if (labels === undefined) continue;
    // An image named on purpose may well be another build; a default one must be what this tree builds.
    const sources = role === 'service' && setting === undefined ? labels[SOURCES_LABEL] : undefined;
    if (sources === undefined || sources === '' || sources === (await sourcesDigest())) return name;
    objections.push(`${name} was built from other sources`);
  }
  const [first] = names;
  if (first !== undefined && !(role === 'service' && setting === undefined)) {
    const obstacle = await pullObstacle(engine, first);
    if (obstacle === undefined) return first;
    objections.push(`${first} cannot be pulled (${obstacle})`);
  }
  const missing = objections.join(', ') || `there is no image ${names.join(' or ')}`;
  throw new UnreachableError(`${missing}; ${HOW_TO_BUILD}`);
}

async function labelsOf(engine: Engine, image: string): Promise<Record<string, string> | undefined> {
  try {
    const facts = await engine.container.dockerode.getImage(image).inspect();
    return facts.Config.Labels ?? {};
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}

/** Why an image cannot be pulled; undefined when the registry has it. */
async function pullObstacle(engine: Engine, image: string): Promise<string | undefined> {
  const late = (): Error => new Error(`the registry does not answer within ${REGISTRY_TIMEOUT_MS} ms`);
  try {
    await within(REGISTRY_TIMEOUT_MS, engine.container.dockerode.getImage(image).distribution(), late);
    return undefined;
  } catch (error) {
    return describeError(error).split('\n')[0]?.slice(0, 200) ?? 'for an unknown reason';
  }
}

/** The digest of the services' sources, computed as `sha256sum` would print and digest them. */
async function sourcesDigest(): Promise<string> {
  const all = (await Promise.all(SOURCES.map((path) => filesBelow(join(PROJECT_FOLDER, path))))).flat();
  const files = all.filter((file) => !IS_OF_TESTS.test(file));
  const rows = await Promise.all(
    files.map(async (file) => ({
      name: relative(PROJECT_FOLDER, file),
      digest: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    })),
  );
  rows.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const list = rows.map(({ digest, name }) => `${digest}  ${name}\n`).join('');
  return createHash('sha256').update(list).digest('hex');
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR') return undefined;
      throw error;
    },
  );
  if (entries === undefined) return [path];
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
