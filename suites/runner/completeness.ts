import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';
import { describeError, openHistory, type RunContext, readHistory } from '../../harness/index.ts';
import { requirementOf } from '../ledger/ledger.ts';

/**
 * The last check of a run: every selected case must have a verdict in the history. One that has none, because its
 * worker crashed, its file could not be loaded or a hook failed, gets the verdict `error` with the runner's reason.
 */
export class CompletenessReporter implements Reporter {
  readonly #context: RunContext;

  constructor(context: RunContext) {
    this.#context = context;
  }

  async onTestRunEnd(
    modules: readonly TestModule[],
    unhandled: readonly { message?: string }[],
    reason: TestRunEndReason,
  ): Promise<void> {
    // An interrupted run is incomplete by itself, and its report says so.
    if (reason === 'interrupted') return;
    const finished = new Set<string>();
    const started = new Map<string, number>();
    for await (const record of readHistory(this.#context.historyPath)) {
      if (record.type === 'case-started') started.set(record.case, record.at);
      if (record.type === 'case-finished') finished.add(record.case);
    }
    using history = openHistory(this.#context.historyPath, this.#context.originMs);
    const planned = this.#context.workers.flatMap(({ name, files }) => files.map((each) => ({ name, ...each })));
    for (const { name, file, cases } of planned) {
      const module = modules.find(({ project }) => project.name === name);
      for (const { key, title } of cases) {
        if (finished.has(key)) continue;
        const at = history.now();
        const base = { at, case: key, requirement: requirementOf(key), title } as const;
        const startedAt = started.get(key);
        if (startedAt === undefined) history.write({ type: 'case-started', ...base });
        history.write({
          type: 'case-finished',
          ...base,
          verdict: 'error',
          durationMs: startedAt === undefined ? 0 : Math.round(at - startedAt),
          reason: whyMissing({ key, file }, module, unhandled),
          evidence: {},
          floor: {},
        });
      }
    }
  }
}

function whyMissing(
  { key, file }: { key: string; file: string },
  module: TestModule | undefined,
  unhandled: readonly { message?: string }[],
): string {
  if (module === undefined) return `The worker that was to run ${key} never began`;
  const tests = [...module.children.allTests()];
  const test = tests.find(({ name }) => name.startsWith(`${key}: `));
  // A file that could not be loaded fails a test of its name.
  const ofFile = test ?? tests.find(({ name }) => name === file);
  const errors = [...(ofFile?.result().errors ?? []), ...module.errors(), ...unhandled];
  const texts = [...new Set(errors.map((error) => describeError(error.message ?? error)))];
  const why = texts.length === 0 ? 'the runner gives no reason' : texts.join('; ');
  const what = test === undefined ? `${file} declares no such case` : 'it ended without a verdict';
  return `${what}: ${why}`.replaceAll(/\s*\n\s*/g, ' ').slice(0, 500);
}
