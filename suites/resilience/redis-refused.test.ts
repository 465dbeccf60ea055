import { everythingArrives, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-01/refused', (t) => serviceGoesOn(t, 'refused'));
verify('RES-02/refused-10s', (t) => everythingArrives(t, 'refused', 10));
