/** Starts servers in containers, prints their environment's marker as one line of JSON, and stays: to be killed by its test. */
import { SERVICE_NAMES } from '../../harness/contract/names.ts';
import { startContainers } from '../../harness/environment/containers.ts';
import { environmentFolders, readMarker } from '../../harness/environment/leftovers/marker.ts';
import { memoryRecorder } from '../../harness/record/writer.ts';

const environment = await startContainers({
  kind: 'containers',
  profile: 'default',
  recorder: memoryRecorder(),
  deferred: SERVICE_NAMES,
});
const home = (await environmentFolders()).find((folder) => folder.endsWith(`/${environment.id}`));
console.log(JSON.stringify(home === undefined ? undefined : await readMarker(home)));
setInterval(() => {}, 60_000);
