/** What the disk of the cache folder says of itself. */
export interface DiskSpace {
  /** Bytes that this user may still write there. @throws SeekwellError STORAGE_FAILED */
  free(): Promise<number>;
  /** Bytes that the disk has in all. @throws SeekwellError STORAGE_FAILED */
  size(): Promise<number>;
}
