import { attachment, description, feature, label, severity, story, tag } from 'allure-js-commons';
import { connectRedis, describeError, type Environment, type HistoryRecord } from '../../harness/index.ts';
import { CONSUMER_GROUP, EVENT_STREAM_NAME } from '../../services/contract/names.ts';
import type { Requirement } from '../ledger/requirement.ts';

const LOG_LINES = 100;

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

/** Attaches what a person needs to see why a case failed. What cannot be had is said instead of failing the case again. */
export async function attachFailure(env: Environment, records: readonly HistoryRecord[]): Promise<void> {
  await attachment('history of the case', records.map((record) => JSON.stringify(record)).join('\n'), {
    contentType: 'application/jsonl',
    fileExtension: 'jsonl',
  });
  await attachment('stream and group', await orReason(() => streamAndGroup(env)), 'text/plain');
  for (const part of Object.values(env.parts)) {
    const logs = await orReason(() => part.logs());
    await attachment(`${part.name} log`, logs.split('\n').slice(-LOG_LINES).join('\n'), 'text/plain');
  }
}

async function streamAndGroup(env: Environment): Promise<string> {
  const redis = connectRedis(env.redisAddress());
  try {
    const commands = [
      ['XINFO', 'STREAM', EVENT_STREAM_NAME],
      ['XINFO', 'GROUPS', EVENT_STREAM_NAME],
      ['XINFO', 'CONSUMERS', EVENT_STREAM_NAME, CONSUMER_GROUP],
      ['XPENDING', EVENT_STREAM_NAME, CONSUMER_GROUP],
    ] as const;
    const sections: string[] = [];
    for (const [name, ...words] of commands) {
      const answer = await orReason(async () =>
        JSON.stringify(await redis.call(name.toLowerCase(), ...words), null, 1),
      );
      sections.push(`${[name, ...words].join(' ')}\n${answer}`);
    }
    return sections.join('\n\n');
  } finally {
    redis.disconnect();
  }
}

async function orReason(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    return `not to be had: ${describeError(error)}`;
  }
}
