import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { selectedFiles } from '../spec/cases.ts';

/** Starts the longest files first, so that no long one is left over at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const known = selectedFiles([]);
    const seconds = ({ moduleId }: TestSpecification): number =>
      known.find(({ file }) => moduleId.endsWith(`/suites/${file}`))?.seconds ?? 0;
    return files.toSorted((a, b) => seconds(b) - seconds(a));
  }
}
