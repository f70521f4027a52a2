// The words that a rendered text adds of its own, in English; an application may hand in others.

export const LABELS = Object.freeze({
  code: "Code",
  copy: "Copy",
  copied: "Copied",
  wrap: "Wrap lines",
  download: "Download",
  table: "Table",
  formula: "Formula",
  done: "Done",
  open: "Not done",
  image: (host) => `image from ${host}`,
  footnote: (label) => `Footnote ${label}`,
  follow: (url) => `This link carries a lot of text to another site. Follow it?\n\n${url}`,
});
