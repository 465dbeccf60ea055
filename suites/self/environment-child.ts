/** Starts servers, prints what the environment owns as one line of JSON, and stays: to be killed by its test. */
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { environmentFolders, readMarker } from '../../harness/environment/leftovers/marker.ts';
import { startProcesses } from '../../harness/environment/processes.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';

const environment = await startProcesses({
  kind: 'processes',
  profile: 'default',
  recorder: memoryRecorder(),
  deferred: SERVICE_NAMES,
});
const home = (await environmentFolders()).find((folder) => folder.endsWith(`/${environment.id}`));
console.log(JSON.stringify(home === undefined ? undefined : await readMarker(home)));
// The servers' pipes do not keep this process alive; an interval does.
setInterval(() => {}, 60_000);
