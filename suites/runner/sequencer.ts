import { BaseSequencer, type TestSpecification } from 'vitest/node';
import type { PlannedLane } from '../../harness/index.ts';

/** Starts the longest lanes first, so that no long one is left over at the end. */
export function longestFirst(projects: ReadonlyMap<string, readonly PlannedLane[]>): typeof BaseSequencer {
  const seconds = ({ project, moduleId }: TestSpecification): number =>
    projects.get(project.name)?.find(({ file }) => moduleId.endsWith(`/suites/${file}`))?.seconds ?? 0;
  return class extends BaseSequencer {
    override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
      return specifications.toSorted((a, b) => seconds(b) - seconds(a));
    }
  };
}
