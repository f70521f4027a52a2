// The text of PDF files: packed and plain, by every kind of font, and what has none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { textOfPdf } from "../../llms/ui/attachments/pdf.mjs";
import { Name, Reader, Reference, Word } from "../../llms/ui/attachments/pdf_objects.mjs";
import { dice } from "./stage.mjs";

const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const latin1 = (data) => Array.from(data, (byte) => String.fromCharCode(byte)).join("");
const stream = (content, more = "") => `<< /Length ${content.length} ${more} >>\nstream\n${content}\nendstream`;
const packed = (content) => stream(latin1(deflateSync(bytes(content))), "/Filter /FlateDecode");
const HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";

// A file of one page; content is its stream, more are further objects from number 6 on.
function file(content, { font = HELVETICA, more = [], trailer = "" } = {}) {
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 5 0 R >> >> >>",
    "<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
    content,
    font,
    ...more,
  ];
  return bytes(`%PDF-1.7\n${objects.map((each, index) => `${index + 1} 0 obj\n${each}\nendobj\n`).join("")}trailer << /Root 1 0 R ${trailer} >>\n%%EOF`);
}

const show = (operators) => `BT /F1 10 Tf 72 700 Td ${operators} ET`;

test("plain and packed pages say the same", async () => {
  const content = show("(Hello \\(world\\)\\041) Tj");
  assert.equal(await textOfPdf(file(stream(content))), "Hello (world)!");
  assert.equal(await textOfPdf(file(packed(content))), "Hello (world)!");
});

test("lines break where the page goes down, words where it leaves room", async () => {
  const content = show("(One) Tj 0 -12 Td (Two) Tj T* [(Th) 20 (ree) -400 (four)] TJ (five) ' 1 0 0 1 72 500 Tm (six) Tj");
  assert.equal(await textOfPdf(file(packed(content))), "One\nTwo\nThree four\nfive\nsix");
});

test("letters that are only moved closer stay one word", async () => {
  const font = "<< /Type /Font /Subtype /TrueType /FirstChar 65 /Widths [600 600 600 600] /Encoding /WinAnsiEncoding >>";
  const content = show("(AB) Tj 12 0 Td (CD) Tj 20 0 Td (A) Tj");
  assert.equal(await textOfPdf(file(packed(content), { font })), "ABCD A");
});

test("a font with a map of its own", async () => {
  const map = "2 beginbfchar\n<0001> <0047>\n<0002> <00FC>\nendbfchar\n1 beginbfrange\n<0003> <0005> <0061>\nendbfrange\n1 beginbfrange\n<0010> <0011> [<D83DDE00> <0066006C>]\nendbfrange";
  const font = "<< /Type /Font /Subtype /Type0 /DescendantFonts [<< /DW 500 /W [1 [500 500]] >>] /ToUnicode 6 0 R >>";
  const content = show("<0001000200030004000500100011> Tj");
  assert.equal(await textOfPdf(file(packed(content), { font, more: [packed(map)] })), "Güabc😀fl");
});

test("an encoding with differences", async () => {
  const font = "<< /Type /Font /Subtype /Type1 /Encoding << /Differences [1 /A /f_i /uni20AC /germandbls] >> >>";
  assert.equal(await textOfPdf(file(packed(show("(\\001\\002\\003\\004) Tj")), { font })), "Afi€ß");
});

test("objects that are packed together, with the length of a stream elsewhere", async () => {
  const inner = ["<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>", HELVETICA];
  const text = inner.join(" ");
  const places = `3 0 5 ${inner[0].length + 1} `;
  const data = latin1(deflateSync(bytes(places + text)));
  const holder = `<< /Type /ObjStm /N 2 /First ${places.length} /Length 7 0 R /Filter /FlateDecode >>\nstream\n${data}\nendstream`;
  const source = `%PDF-1.7
1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj
2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Resources << /Font << /F1 5 0 R >> >> >>\nendobj
4 0 obj\n${packed(show("(In a stream of objects) Tj"))}\nendobj
6 0 obj\n${holder}\nendobj
7 0 obj\n${data.length}\nendobj`;
  assert.equal(await textOfPdf(bytes(source)), "In a stream of objects");
});

test("no text where it is encrypted, scanned, or no PDF at all", async () => {
  const content = packed(show("(secret) Tj"));
  assert.equal(await textOfPdf(file(content, { trailer: "/Encrypt 9 0 R" })), "");
  assert.equal(await textOfPdf(file(packed("q 100 0 0 100 0 0 cm /Im1 Do Q"))), "");
  assert.equal(await textOfPdf(bytes("GIF89a")), "");
  assert.equal(await textOfPdf(new Uint8Array()), "");
});

test("a page that contains itself is read once", async () => {
  const source = "1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj 2 0 obj << /Kids [2 0 R 2 0 R] >> endobj";
  assert.equal(await textOfPdf(bytes(source)), "");
});

test("broken files end, whatever is broken", async () => {
  const whole = file(packed(show("[(One) -500 (two)] TJ 0 -14 Td <5468726565> Tj")));
  const { below } = dice(7);
  for (let round = 0; round < 300; round += 1) {
    const broken = Uint8Array.from(whole).subarray(0, 1 + below(whole.length));
    for (let change = 0; change < 8; change += 1) broken[below(broken.length)] = below(256);
    assert.equal(typeof (await textOfPdf(broken)), "string");
  }
});

test("values of every kind", () => {
  const reader = new Reader("/A#20B 12 -3.5 (a(b)c\\n) <48 6> [1 2 R 7 0 R 0] << /K [true null] % note\n/L << >> >> Tj");
  const values = [];
  while (reader.at < reader.source.length) values.push(reader.next());
  const [name, whole, part, text, hex, list, map, word] = values;
  assert.deepEqual([name, whole, part, text, hex], [new Name("A B"), 12, -3.5, "a(b)c\n", "H`"]);
  assert.deepEqual(list, [new Reference(1), new Reference(7), 0]);
  assert.deepEqual(map, new Map([["K", [true, null]], ["L", new Map()]]));
  assert.deepEqual(word, new Word("Tj"));
});
