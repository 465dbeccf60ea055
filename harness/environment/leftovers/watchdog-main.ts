/**
 * Started by the watchdog's shell once its harness has died: removes the environment whose folder is the first argument.
 * Its output goes nowhere; should it fail, its exit code is not read, and the next start's sweep tries again.
 */
import { readMarker } from './marker.ts';
import { removeLeftovers } from './remove.ts';

const home = process.argv[2];
const marker = home === undefined ? undefined : await readMarker(home);
if (marker !== undefined) await removeLeftovers(marker);
