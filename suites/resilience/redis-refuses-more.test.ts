import { bearsErrors } from '../support/redis-errors.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-07/loading', (t) => bearsErrors(t, 'LOADING'));
verify('RES-07/noperm', (t) => bearsErrors(t, 'NOPERM'));
verify('RES-07/busy', (t) => bearsErrors(t, 'BUSY'));
