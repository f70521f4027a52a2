// The text of a PDF file, page by page, without a library: enough for what word processors, TeX and browsers write.
// Scanned pages and encrypted files have no text that could be read here.

import { Font } from "./pdf_fonts.mjs";
import { Reader, Reference, Word, objectsIn } from "./pdf_objects.mjs";

const MOST_PAGES = 400;
const GAP = 0.16; // of the font's size, between two letters, reads as a space

// Returns the text, "" where there is none to read. bytes: Uint8Array.
export async function textOfPdf(bytes) {
  const file = new PdfFile(latin1(bytes));
  if (file.isEncrypted) return "";
  await file.unpack();
  const pages = [];
  for (const page of file.pages().slice(0, MOST_PAGES)) pages.push(await textOfPage(page, file));
  return pages.filter((text) => text.trim()).join("\n\n");
}

class PdfFile {
  #objects;
  #source;

  constructor(source) {
    this.#source = source;
    this.#objects = objectsIn(source);
  }

  get isEncrypted() {
    return /\/Encrypt\s+\d+\s+\d+\s+R/.test(this.#source);
  }

  // What a reference stands for; anything else is itself.
  resolve(value) {
    return value instanceof Reference ? this.#objects.get(value.number)?.value : value;
  }

  // The content of a stream, "" where it is packed in a way that is not known here.
  async content(value) {
    const object = value instanceof Reference ? this.#objects.get(value.number) : undefined;
    if (object?.data === null || object?.data === undefined) return "";
    const filters = [this.resolve(object.value.get("Filter"))].flat().map((filter) => this.resolve(filter)?.text).filter(Boolean);
    if (!filters.length) return object.data;
    return filters.length === 1 && filters[0] === "FlateDecode" ? inflate(object.data) : "";
  }

  // Objects may be packed many to a stream.
  async unpack() {
    for (const [number, { value }] of [...this.#objects]) {
      if (!(value instanceof Map) || value.get("Type")?.text !== "ObjStm") continue;
      const text = await this.content(new Reference(number));
      const reader = new Reader(text);
      const places = Array.from({ length: 2 * (value.get("N") ?? 0) }, () => reader.next());
      for (let at = 0; at + 1 < places.length; at += 2) {
        const inner = new Reader(text, (value.get("First") ?? 0) + places[at + 1]).next();
        if (!this.#objects.has(places[at])) this.#objects.set(places[at], { value: inner, data: null });
      }
    }
  }

  // Dictionaries of the pages in reading order, each with the resources that it inherits.
  pages() {
    const found = [];
    const seen = new Set();
    const walk = (node, inherited) => {
      const map = this.resolve(node);
      if (!(map instanceof Map) || seen.has(map)) return;
      seen.add(map);
      const resources = this.resolve(map.get("Resources")) ?? inherited;
      const kids = this.resolve(map.get("Kids"));
      if (Array.isArray(kids)) for (const kid of kids) walk(kid, resources);
      else found.push({ map, resources });
    };
    for (const { value } of this.#objects.values()) {
      if (value instanceof Map && value.get("Type")?.text === "Catalog") walk(value.get("Pages"), null);
    }
    return found;
  }
}

async function textOfPage({ map, resources }, file) {
  const fonts = await fontsOf(resources, file);
  const contents = map.get("Contents");
  const parts = contents instanceof Reference && !Array.isArray(file.resolve(contents)) ? [contents] : (file.resolve(contents) ?? []);
  let source = "";
  for (const part of [parts].flat()) source += `${await file.content(part)}\n`;
  return new Page(fonts).read(source);
}

async function fontsOf(resources, file) {
  const fonts = new Map();
  const listed = resources instanceof Map ? file.resolve(resources.get("Font")) : null;
  for (const [name, reference] of listed instanceof Map ? listed : []) {
    const font = file.resolve(reference);
    if (font instanceof Map) fonts.set(name, new Font(font, await file.content(font.get("ToUnicode")), file));
  }
  return fonts;
}

// What the operators of a page write, line by line.
class Page {
  #fonts;
  #font = null;
  #size = 1;
  #text = "";
  #origin = { x: 0, y: 0, scale: 1 };
  #start = 0; // where the line begins, from the origin
  #shown = 0; // how far it has come since

  constructor(fonts) {
    this.#fonts = fonts;
  }

  read(source) {
    const reader = new Reader(source);
    let operands = [];
    while (reader.at < source.length) {
      const value = reader.next();
      if (value instanceof Word) {
        this.#do(value.text, operands);
        operands = [];
      } else if (value !== undefined) operands.push(value);
    }
    return this.#text.replace(/[ \t]+\n/g, "\n").replace(/[\ufb00-\ufb06]/g, (letter) => letter.normalize("NFKC")).trim();
  }

  #do(operator, operands) {
    if (operator === "Tf") this.#choose(operands);
    else if (operator === "Tj") this.#write(operands[0]);
    else if (operator === "TJ") this.#writeAll(operands[0]);
    else if (operator === "'" || operator === '"') this.#break(), this.#write(operands.at(-1));
    else if (operator === "T*") this.#break();
    else if (operator === "Td" || operator === "TD") this.#move(operands);
    else if (operator === "Tm") this.#place(operands);
  }

  #choose([name, size]) {
    this.#font = this.#fonts.get(name?.text) ?? null;
    this.#size = Math.abs(size) || 1;
  }

  #write(bytes) {
    if (typeof bytes !== "string" || !this.#font) return;
    this.#text += this.#font.decode(bytes);
    this.#shown += (this.#font.advance(bytes) * this.#size) / 1000;
  }

  #writeAll(parts) {
    for (const part of Array.isArray(parts) ? parts : []) {
      if (typeof part !== "number") this.#write(part);
      else {
        this.#shown -= (part * this.#size) / 1000;
        if (part < -1000 * GAP) this.#space();
      }
    }
  }

  #move([right, down]) {
    if (down !== 0) this.#break();
    else if (right - this.#shown > GAP * this.#size) this.#space();
    this.#start += right;
    this.#shown = 0;
  }

  #place([a, b, , , x, y]) {
    const origin = this.#origin;
    const end = origin.x + (this.#start + this.#shown) * origin.scale;
    const scale = Math.hypot(a, b) || 1;
    if (Math.abs(y - origin.y) > (this.#size * scale) / 4) this.#break();
    else if (x - end > GAP * this.#size * scale || x < origin.x) this.#space();
    this.#origin = { x, y, scale };
    this.#start = this.#shown = 0;
  }

  #space() {
    if (this.#text && !/\s$/.test(this.#text)) this.#text += " ";
  }

  #break() {
    if (this.#text && !this.#text.endsWith("\n")) this.#text += "\n";
  }
}

async function inflate(data) {
  const stream = new Blob([bytesOf(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  let text = "";
  try {
    for (let read; !(read = await reader.read()).done; ) text += latin1(read.value);
  } catch {
    // What came before the fault is still worth reading.
  }
  return text;
}

const bytesOf = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function latin1(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return text;
}
