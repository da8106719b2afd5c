/** How a command shows what it has to say. */
export interface ShowFlags {
  readonly json?: true | undefined;
  readonly watch?: true | undefined;
}

/** `value` for scripts; one line for each picture where there are many. */
export function asJson(value: unknown, { watch = false }: { readonly watch?: boolean | undefined }): string {
  return JSON.stringify(value, null, watch ? 0 : 2);
}

/** Prints what `draw` returns, once or again and again. */
export async function show(draw: () => Promise<readonly string[]>, flags: ShowFlags): Promise<void> {
  if (flags.watch !== true) {
    process.stdout.write(`${(await draw()).join('\n')}\n`);
    return;
  }
  const { watchScreen } = await import('./watch-screen.ts');
  await watchScreen(draw);
}
