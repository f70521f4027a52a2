// Files into what a message keeps of them: pictures and sound as they are, everything that can be read as text.

import { fitted } from "../store/images.mjs";

const MEGABYTE = 1_000_000;
const LARGEST = { image: 40 * MEGABYTE, audio: 25 * MEGABYTE, pdf: 60 * MEGABYTE, text: 4 * MEGABYTE };
const NO_TEXT = /[\0\u0001-\u0008\u000e-\u001a]/;

// Why a file is refused: reason "tooLarge" (limit: bytes), "noText" or "unreadable".
export class RefusedFile extends Error {
  constructor(name, reason, { limit, cause } = {}) {
    super(`${name}: ${reason}`, { cause });
    Object.assign(this, { file: name, reason, limit });
  }
}

// Resolves with a part; throws a RefusedFile. keep(blob) resolves with {blob, mime, size}.
export async function readFile(file, { keep }) {
  const kind = kindOf(file);
  if (file.size > LARGEST[kind]) throw new RefusedFile(file.name, "tooLarge", { limit: LARGEST[kind] });
  try {
    return await READERS[kind](file, keep);
  } catch (cause) {
    throw cause instanceof RefusedFile ? cause : new RefusedFile(file.name, "unreadable", { cause });
  }
}

function kindOf({ type, name }) {
  if (type.startsWith("image/") && !type.includes("svg")) return "image";
  if (type.startsWith("audio/")) return "audio";
  return type === "application/pdf" || /\.pdf$/i.test(name) ? "pdf" : "text";
}

const READERS = {
  async image(file, keep) {
    const { file: small, width, height } = await fitted(file);
    return { type: "image", name: file.name, width, height, ...(await keep(small)) };
  },

  async audio(file, keep) {
    return { type: "audio", name: file.name, ...(await keep(file)) };
  },

  async pdf(file) {
    const { textOfPdf } = await import("./pdf.mjs");
    const text = await textOfPdf(new Uint8Array(await file.arrayBuffer()));
    if (!text.trim()) throw new RefusedFile(file.name, "noText");
    return { type: "file", name: file.name, mime: "application/pdf", size: file.size, text };
  },

  async text(file) {
    const text = decode(new Uint8Array(await file.arrayBuffer()));
    if (text === null) throw new RefusedFile(file.name, "unreadable");
    return { type: "file", name: file.name, mime: file.type || "text/plain", size: file.size, text };
  },
};

// The text of a file, null where it is none.
function decode(bytes) {
  const mark = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(mark, { fatal: true }).decode(bytes);
    return NO_TEXT.test(text) ? null : text;
  } catch {
    return null;
  }
}
