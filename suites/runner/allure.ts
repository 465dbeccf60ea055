import { basename, join } from 'node:path';
import { attachmentPath, description, feature, label, severity, story, tag } from 'allure-js-commons';
import type { Requirement } from '../ledger/requirement.ts';

interface DescribedCase {
  key: string;
  requirement: Requirement;
  title: string;
}

/** Labels a case in the Allure report by its requirement. */
export async function describeCase({ key, requirement, title }: DescribedCase): Promise<void> {
  await label('requirement', requirement.id);
  await label('case', key);
  await feature(requirement.tier);
  await story(requirement.id);
  await tag(requirement.level);
  await severity(requirement.level === 'MUST' ? 'critical' : 'normal');
  await description(
    [title, '', requirement.text, '', 'Allowed:', ...requirement.allowed.map((outcome) => `- ${outcome}`)].join('\n'),
  );
}

/** Attaches files of the run, given relative to its folder. */
export async function attachFiles(runDirectory: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const type = path.endsWith('.jsonl') ? { contentType: 'application/jsonl', fileExtension: 'jsonl' } : 'text/plain';
    await attachmentPath(basename(path), join(runDirectory, path), type);
  }
}
