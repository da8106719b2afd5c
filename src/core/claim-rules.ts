/** How long a lease lives, in milliseconds. */
export const LEASE_MS = 2_000;
/**
 * A lease that ends further ahead than this was made by a clock that jumped, and is not live. More than a lease lives: whoever judges it took his time before
 * he waited for his turn at the database, and its holder may have extended it meanwhile (docs/decisions/0008-what-a-lease-is-held-against.md).
 */
export const LEASE_REACH_MS = 2 * LEASE_MS;
/** How often the holder of leases extends them, in milliseconds. */
export const RENEW_MS = 500;
/** A waiting reader takes work over from a fetch that is more than this many bytes short of it. */
export const TAKE_OVER_BYTES = 256 * 1024;
/** An entry that was read within this time counts as being read, in milliseconds: readers note it once a minute. */
export const BEING_READ_MS = 120_000;
/** The most rows a fill plans for one entry; rows grow beyond the chunk size for larger resources. */
export const MAX_FILL_ROWS = 16_384;
