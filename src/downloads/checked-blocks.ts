/** Blocks of one page: 1 GiB of a file. */
const PAGE_BLOCKS = 1024;
/** The most pages that are kept, about 128 bytes each; beyond it the file that came first is forgotten, which costs checking it again. */
const MAX_PAGES = 8192;

/** Which blocks of which files this process knows to be right: a hint that lives as long as the process, in bounded memory. */
export class CheckedBlocks {
  /** By file path, which no other file ever gets, then by page. */
  readonly #files = new Map<string, Map<number, Uint8Array>>();
  #pages = 0;

  has(path: string, block: number): boolean {
    const page = this.#files.get(path)?.get(Math.floor(block / PAGE_BLOCKS));
    return page !== undefined && ((page[(block % PAGE_BLOCKS) >> 3] as number) & (1 << (block & 7))) !== 0;
  }

  add(path: string, block: number): void {
    const page = this.#pageOf(path, Math.floor(block / PAGE_BLOCKS));
    const at = (block % PAGE_BLOCKS) >> 3;
    page[at] = (page[at] as number) | (1 << (block & 7));
  }

  /** Forgets the blocks `first` to `last`. */
  delete(path: string, first: number, last: number): void {
    for (const [number, page] of this.#files.get(path) ?? []) {
      const from = Math.max(first - number * PAGE_BLOCKS, 0);
      const to = Math.min(last - number * PAGE_BLOCKS, PAGE_BLOCKS - 1);
      for (let block = from; block <= to; block++) page[block >> 3] = (page[block >> 3] as number) & ~(1 << (block & 7));
    }
  }

  #pageOf(path: string, number: number): Uint8Array {
    const known = this.#files.get(path)?.get(number);
    if (known !== undefined) return known;
    if (this.#pages >= MAX_PAGES) this.#forgetFirst();
    const page = new Uint8Array(PAGE_BLOCKS / 8);
    const pages = this.#files.get(path) ?? new Map<number, Uint8Array>();
    this.#files.set(path, pages.set(number, page));
    this.#pages++;
    return page;
  }

  #forgetFirst(): void {
    const [first] = this.#files;
    if (first === undefined) return;
    this.#pages -= first[1].size;
    this.#files.delete(first[0]);
  }
}
