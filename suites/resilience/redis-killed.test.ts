import { everythingArrives, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-01/killed', (t) => serviceGoesOn(t, 'killed'));
for (const seconds of [1, 10]) verify(`RES-02/killed-${seconds}s`, (t) => everythingArrives(t, 'killed', seconds));
