import { standsStill } from '../support/standstill.ts';
import { suite } from '../support/suite.ts';

const verify = suite();

verify('RES-05/admin', (t) => standsStill(t, 'admin'));
