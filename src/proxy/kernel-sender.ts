/** The kernel sends bytes from a file, or from here, to a socket, without waiting. Descriptors are the system's numbers, and only good until the next turn. */
export interface KernelSender {
  /** `head` to the socket, to leave at once or together with what follows. Returns how many bytes the socket took. */
  sendHead(socket: number, head: string, leaves: 'at once' | 'with the rest'): number;
  /** `length` bytes of the file from `position` on to the socket. Returns how many it took: 0 where it is full, closed, or the file ends. */
  sendFile(socket: number, file: number, position: number, length: number): number;
}

/** Of Linux, in <bits/socket.h>: do not wait; more follows; no signal where the other side is gone. */
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
/** The longest head that is sent so, in bytes. */
const MAX_HEAD_BYTES = 4 * 1024;

/**
 * The sender of this system, through sendfile(2): bytes do not pass through this process. Null where there is none, so that bytes are copied: on another
 * system than Linux, whose calls differ, and where the foreign function library is not installed.
 */
export async function loadKernelSender(): Promise<KernelSender | null> {
  if (process.platform !== 'linux') return null;
  try {
    const { load } = await import('koffi');
    const library = load(null);
    return new LinuxSender(
      library.func('int64_t send(int socket, const void *bytes, size_t length, int flags)'),
      library.func('int64_t sendfile(int socket, int file, void *position, size_t length)'),
    );
  } catch {
    return null;
  }
}

type Send = (socket: number, bytes: Buffer, length: number, flags: number) => number;
type SendFile = (socket: number, file: number, position: BigInt64Array, length: number) => number;

class LinuxSender implements KernelSender {
  readonly #send: Send;
  readonly #sendFile: SendFile;
  readonly #head = Buffer.allocUnsafeSlow(MAX_HEAD_BYTES);
  readonly #position = new BigInt64Array(1);

  constructor(send: Send, sendFile: SendFile) {
    this.#send = send;
    this.#sendFile = sendFile;
  }

  sendHead(socket: number, head: string, leaves: 'at once' | 'with the rest'): number {
    if (head.length > MAX_HEAD_BYTES) return 0;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL | (leaves === 'at once' ? 0 : MSG_MORE);
    const length = this.#head.write(head, 'latin1');
    return Math.max(0, this.#send(socket, this.#head, length, flags));
  }

  sendFile(socket: number, file: number, position: number, length: number): number {
    this.#position[0] = BigInt(position);
    return Math.max(0, this.#sendFile(socket, file, this.#position, length));
  }
}
