import { everythingArrives, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-01/paused', (t) => serviceGoesOn(t, 'paused'));
verify('RES-02/paused-10s', (t) => everythingArrives(t, 'paused', 10));
