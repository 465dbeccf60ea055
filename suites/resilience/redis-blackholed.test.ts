import { everythingArrives, serviceGoesOn } from '../support/redis-outage.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-01/blackholed', (t) => serviceGoesOn(t, 'blackholed'));
verify('RES-02/blackholed-10s', (t) => everythingArrives(t, 'blackholed', 10));
