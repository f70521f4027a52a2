// From the bytes of a string in a PDF to its characters: by the font's own map, else by its encoding.

import { Name, Reader, Word } from "./pdf_objects.mjs";

const WINDOWS = new TextDecoder("windows-1252");
const LIGATURES = { f_f: "ff", f_i: "fi", f_l: "fl", f_f_i: "ffi", f_f_l: "ffl", fi: "fi", fl: "fl", ff: "ff", ffi: "ffi", ffl: "ffl" };
const GLYPHS = Object.fromEntries(
  (
    "space= exclam=! quotedbl=\" numbersign=# dollar=$ percent=% ampersand=& quotesingle=' parenleft=( parenright=) asterisk=* " +
    "plus=+ comma=, hyphen=- period=. slash=/ zero=0 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 colon=: " +
    "semicolon=; less=< equal== greater=> question=? at=@ bracketleft=[ backslash=\\ bracketright=] underscore=_ grave=` " +
    "braceleft={ bar=| braceright=} asciitilde=~ bullet=• endash=– emdash=— quoteleft=‘ quoteright=’ quotedblleft=“ " +
    "quotedblright=” ellipsis=… adieresis=ä odieresis=ö udieresis=ü Adieresis=Ä Odieresis=Ö Udieresis=Ü germandbls=ß eacute=é " +
    "egrave=è ecircumflex=ê agrave=à acircumflex=â ccedilla=ç ntilde=ñ oacute=ó iacute=í aacute=á uacute=ú degree=° Euro=€ " +
    "copyright=© registered=® trademark=™ section=§ minus=− multiply=×"
  )
    .split(" ")
    .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1) || " "]),
);

export class Font {
  #map;
  #bytes; // of one code
  #differences;
  #widths;

  // dictionary: the font's, with values resolved by `file`; toUnicode: the text of its map, null without one.
  constructor(dictionary, toUnicode, file) {
    this.#map = toUnicode ? mapOf(toUnicode) : null;
    const isComposite = dictionary.get("Subtype")?.text === "Type0";
    this.#bytes = this.#map?.bytes ?? (isComposite ? 2 : 1);
    this.#widths = isComposite ? compositeWidths(dictionary, file) : simpleWidths(dictionary, file);
    this.#differences = differencesOf(file.resolve(dictionary.get("Encoding")), file);
  }

  decode(bytes) {
    return this.#codes(bytes).map((code) => this.#character(code)).join("");
  }

  // How far a string goes, in thousandths of the font's size.
  advance(bytes) {
    return this.#codes(bytes).reduce((sum, code) => sum + (this.#widths.get(numberOf(code)) ?? this.#widths.get("other")), 0);
  }

  #codes(bytes) {
    return Array.from({ length: Math.ceil(bytes.length / this.#bytes) }, (_, place) => bytes.slice(place * this.#bytes, (place + 1) * this.#bytes));
  }

  #character(code) {
    const known = this.#map?.characters.get(code) ?? this.#differences.get(code.charCodeAt(0));
    if (known !== undefined) return known;
    return this.#bytes === 1 && !this.#map ? WINDOWS.decode(Uint8Array.of(code.charCodeAt(0))) : "";
  }
}

// Widths by code, with one for all others.
function simpleWidths(dictionary, file) {
  const first = file.resolve(dictionary.get("FirstChar")) ?? 0;
  const listed = file.resolve(dictionary.get("Widths")) ?? [];
  return new Map([["other", 500], ...listed.map((width, place) => [first + place, file.resolve(width)])]);
}

// [first [w w w] first last w …]
function compositeWidths(dictionary, file) {
  const [descendant] = file.resolve(dictionary.get("DescendantFonts")) ?? [];
  const font = file.resolve(descendant);
  const widths = new Map([["other", 1000]]);
  if (!(font instanceof Map)) return widths;
  widths.set("other", file.resolve(font.get("DW")) ?? 1000);
  const listed = [...(file.resolve(font.get("W")) ?? [])].map((value) => file.resolve(value));
  while (listed.length > 1) {
    const [first, next] = listed.splice(0, 2);
    if (Array.isArray(next)) next.forEach((width, place) => widths.set(first + place, width));
    else for (let [code, width] = [first, listed.shift()]; code <= Math.min(next, first + 65_535); code += 1) widths.set(code, width);
  }
  return widths;
}

// A map from codes to texts: {bytes: of one code, characters}.
function mapOf(source) {
  const characters = new Map();
  let bytes = null;
  for (const [, kind, body] of source.matchAll(/begin(bfchar|bfrange)([\s\S]*?)end\1/g)) {
    const values = valuesOf(body);
    const step = kind === "bfchar" ? 2 : 3;
    for (let at = 0; at + step <= values.length; at += step) {
      bytes ??= values[at].length || null;
      if (kind === "bfchar") characters.set(values[at], utf16(values[at + 1]));
      else addRange(characters, values.slice(at, at + 3));
    }
  }
  return { bytes: bytes ?? 1, characters };
}

function addRange(characters, [from, to, target]) {
  const [first, last] = [numberOf(from), numberOf(to)];
  for (let code = first; code <= Math.min(last, first + 65_535); code += 1) {
    const key = bytesOf(code, from.length);
    if (Array.isArray(target)) characters.set(key, utf16(target[code - first] ?? ""));
    else characters.set(key, shifted(utf16(target), code - first));
  }
}

function shifted(text, by) {
  const points = [...text];
  const last = points.pop();
  return last === undefined ? "" : points.join("") + String.fromCodePoint(Math.min(0x10ffff, last.codePointAt(0) + by));
}

function valuesOf(body) {
  const reader = new Reader(body);
  const values = [];
  for (let value; (value = reader.next()) !== undefined; ) if (!(value instanceof Word)) values.push(value);
  return values;
}

function differencesOf(encoding, file) {
  const characters = new Map();
  let code = 0;
  for (const value of (encoding instanceof Map && file.resolve(encoding.get("Differences"))) || []) {
    if (typeof value === "number") code = value;
    else if (value instanceof Name) characters.set(code++, glyph(value.text));
  }
  return characters;
}

function glyph(name) {
  if (name.length === 1) return name;
  const [, hex] = /^uni([0-9A-Fa-f]{4})/.exec(name) ?? /^u([0-9A-Fa-f]{4,6})$/.exec(name) ?? [];
  return hex ? String.fromCodePoint(parseInt(hex, 16)) : (GLYPHS[name] ?? LIGATURES[name] ?? "");
}

const numberOf = (bytes) => [...bytes].reduce((sum, letter) => sum * 256 + letter.charCodeAt(0), 0);
const bytesOf = (number, length) =>
  Array.from({ length }, (_, place) => String.fromCharCode(Math.floor(number / 256 ** (length - place - 1)) % 256)).join("");

function utf16(bytes) {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes.charCodeAt(at) * 256 + bytes.charCodeAt(at + 1));
  return bytes.length === 1 ? bytes : text;
}
