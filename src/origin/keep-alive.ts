/** How long an idle connection is kept where the server does not say, in milliseconds: the next seek saves its round trips. */
export const KEEP_ALIVE_MS = 15_000;
