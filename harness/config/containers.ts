import { UsageError } from '../core/errors.ts';

export const IMAGE_ROLES = ['redis', 'postgres', 'service'] as const;
export type ImageRole = (typeof IMAGE_ROLES)[number];

const IMAGE_VARIABLES: Readonly<Record<ImageRole, string>> = {
  redis: 'SYNCPROOF_REDIS_IMAGE',
  postgres: 'SYNCPROOF_POSTGRES_IMAGE',
  service: 'SYNCPROOF_SERVICE_IMAGE',
};

/**
 * The image that SYNCPROOF_REDIS_IMAGE, SYNCPROOF_POSTGRES_IMAGE or SYNCPROOF_SERVICE_IMAGE names for a role, if it does.
 * @throws UsageError when the name cannot be one of an image
 */
export function imageSetting(role: ImageRole): string | undefined {
  const variable = IMAGE_VARIABLES[role];
  const name = process.env[variable] || undefined;
  if (name !== undefined && !/^[a-z0-9][\w./:@-]*$/.test(name))
    throw new UsageError(`Expected ${variable} to be the name of an image, e.g. registry.local/redis:7, got ${name}`);
  return name;
}

/** The variables that say where the Docker daemon is, for a child process that has to find the same one. */
export function engineVariables(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      /^(DOCKER|TESTCONTAINERS)_/.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}
