import { testSeeds } from './clean-seeds.ts';

// As seeds.test.ts, beside it on another core.

testSeeds(2);
