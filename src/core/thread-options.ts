/**
 * How this package's threads are started. Not with what node itself was started with, as threads are by default: with `--input-type=module` a thread whose code
 * is a file does not start, and `--import` would load the program's own modules into it. What NODE_OPTIONS says holds for threads too.
 */
export const THREAD_OPTIONS: { readonly execArgv: string[] } = { execArgv: [] };
