/**
 * A file system with nothing but PostgreSQL's data on it, so small that it can be filled. It lives in memory, and as long
 * as its environment, however often the server ends.
 */
export interface Disk {
  /** Writes a file until nothing more can be written (ENOSPC). */
  fill(): Promise<void>;
  /** Removes that file; nothing happens when there is none. */
  relieve(): Promise<void>;
}

/** Room for the data of an hour's soak. Filled, it takes as much memory. */
export const SMALL_DISK_BYTES = 512 * 1024 * 1024;

export const BALLAST_FILE = 'ballast';

/** So that the log of changes, which PostgreSQL lets grow to a gigabyte, keeps to a small part of the disk. */
export const SMALL_DISK_SETTINGS: Readonly<Record<string, string>> = { min_wal_size: '32MB', max_wal_size: '96MB' };
