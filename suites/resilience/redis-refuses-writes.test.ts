import { bearsErrors } from '../support/redis-errors.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-07/oom', (t) => bearsErrors(t, 'OOM'));
verify('RES-07/misconf', (t) => bearsErrors(t, 'MISCONF'));
verify('RES-07/readonly', (t) => bearsErrors(t, 'READONLY'));
