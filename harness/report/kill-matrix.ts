import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KillMatrix, killMatrixSchema } from './result.ts';

/** The newest matrix lies in the folder of reports, beside the runs. */
export function killMatrixPath(reportDirectory: string): string {
  return join(reportDirectory, 'mutants.json');
}

/**
 * What was last seen of the broken variants, if it was with the very ledger of a run: another one proves nothing about
 * this one. Undefined too when there is none, or none that can be read.
 */
export async function readKillMatrix(
  reportDirectory: string,
  requirementsVersion: string,
): Promise<KillMatrix | undefined> {
  try {
    const matrix = killMatrixSchema.parse(JSON.parse(await readFile(killMatrixPath(reportDirectory), 'utf8')));
    return matrix.requirementsVersion === requirementsVersion ? matrix : undefined;
  } catch {
    return undefined;
  }
}
