/** The states a download can be in. Computed by the view `cache_entry_states`, stored nowhere. */
export const DOWNLOAD_STATES = ['NotStarted', 'Initializing', 'Downloading', 'Paused', 'Complete', 'Failed'] as const;

export type DownloadState = (typeof DOWNLOAD_STATES)[number];
