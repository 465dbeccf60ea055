import { plural } from './format.ts';
import type { CaseResult, RunResult } from './result.ts';

/** What a soak found and did not find, and in how much; whatever its verdict. Undefined where the run was none. */
export function soakSentence(result: RunResult): string | undefined {
  const soak = result.requirements.flatMap(({ cases }) => cases).find(({ key }) => key === result.soak);
  if (soak === undefined) return undefined;
  return `The soak ${[whatWasFound(result, soak), howMuch(result, soak), whileRedisAway(soak)].filter((part) => part !== '').join('; ')}.`;
}

function whatWasFound({ findings }: RunResult, soak: CaseResult): string {
  const own = Map.groupBy(
    findings.filter((finding) => finding.case === soak.key),
    ({ checker }) => checker,
  );
  const read = figure(soak, 'readAtEnd') ?? 0;
  const found = [...own].map(([checker, group]) => `${group.length} ${WORDS[checker] ?? checker}`).join(', ');
  if (read === 0) {
    const unread = 'the files were not all read at the end, so that of others nothing is known';
    return found === '' ? `did not get to look for losses: ${unread}` : `found ${found}; ${unread}`;
  }
  const among = `among ${plural(read, 'file')}, all read at the end`;
  return found === '' ? `found nothing lost, undone or back from deletion ${among}` : `found ${found} ${among}`;
}

const WORDS: Readonly<Record<string, string>> = { resurrected: 'back from deletion', duplicated: 'listed twice' };

function howMuch(result: RunResult, soak: CaseResult): string {
  const faultKinds = result.faultKinds.filter((kind) => kind.case === soak.key);
  const [operations, writes] = [figure(soak, 'operations'), figure(soak, 'writes')];
  const faults = faultKinds.reduce((sum, { count }) => sum + count, 0);
  const load =
    operations === undefined
      ? ''
      : `${plural(operations, 'operation')}${writes === undefined ? '' : `, ${plural(writes, 'accepted write')}`}, `;
  const carriedOut = figure(soak, 'faults');
  const disruptions = carriedOut === undefined ? '' : `${plural(carriedOut, 'disruption')} and aims, `;
  return `${load}${disruptions}${plural(faults, 'fault')} of ${plural(faultKinds.length, 'kind')}`;
}

function whileRedisAway(soak: CaseResult): string {
  const [due, failed] = [figure(soak, 'whileRedisAway'), figure(soak, 'failedWhileRedisAway')];
  if (due === undefined || failed === undefined)
    return 'how available it was while Redis alone was away was not judged';
  return `while Redis alone was away, ${failed} of ${plural(due, 'operation')} failed`;
}

function figure({ evidence }: CaseResult, name: string): number | undefined {
  const value = evidence[name];
  return typeof value === 'number' ? value : undefined;
}
