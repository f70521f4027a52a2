// Where links and images may lead. Only http, https and mailto become links; only data: and blob: images are shown, since
// loading one from a host tells that host that the answer was read, and whatever the address holds.

import { element } from "./element.mjs";
import { decode } from "./entities.mjs";

const PROTOCOLS = new Set(["http:", "https:", "mailto:"]);
const SHOWN_IMAGE = /^(?:data:image\/[a-z0-9.+-]+[;,]|blob:)/i;
const ADDRESS_AS_TEXT = /^(?:https?:\/\/)?(?:[\w-]+\.)+[a-z]{2,}(?=[/:?#]|$)/i;
const LONG_QUERY = 100;

// Returns {href, host, carriesMuch}, or null for an address that no link may have. The address is as marked hands it over.
export function target(address) {
  let url;
  try {
    url = new URL(decode(address).trim());
  } catch {
    return null; // also every address on this server: no answer may send a person there
  }
  if (!PROTOCOLS.has(url.protocol)) return null;
  const host = url.host || url.pathname;
  return { href: url.href, host, carriesMuch: url.search.length + url.hash.length > LONG_QUERY };
}

// A link around the nodes, which read as `text`; without a permitted target, the nodes alone.
export function link(document, { address, title, text }, nodes) {
  const to = target(address);
  if (to === null) return element(document, "span", { class: "md-link-refused" }, nodes);
  const anchor = element(document, "a", { ...outward(to), class: "md-link", title: title ? `${decode(title)} (${to.host})` : to.host }, nodes);
  if (!pretends(text, to)) return anchor;
  anchor.append(element(document, "span", { class: "md-link-host" }, [` (${to.host})`]));
  return anchor;
}

// An image, or a link that says where the image lies.
export function image(document, { address, title, text }, labels) {
  const source = decode(address).trim();
  if (SHOWN_IMAGE.test(source)) {
    const attributes = { class: "md-image", src: source, alt: text, title: title ? decode(title) : null, loading: "lazy", decoding: "async" };
    return element(document, "img", attributes);
  }
  const to = target(address);
  if (to === null) return element(document, "span", { class: "md-link-refused" }, [text]);
  const host = element(document, "span", { class: "md-image-host" }, [labels.image(to.host)]);
  return element(document, "a", { ...outward(to), class: "md-image-link", title: to.host }, text ? [`${text} `, host] : [host]);
}

function outward({ href, host, carriesMuch }) {
  return { href, target: "_blank", rel: "noopener noreferrer nofollow", "data-host": host, "data-carries-much": carriesMuch };
}

// True for a text that reads as the address of another host.
function pretends(text, { host, href }) {
  const [claimed] = ADDRESS_AS_TEXT.exec(text.trim()) ?? [];
  if (claimed === undefined || href.startsWith("mailto:")) return false;
  return claimed.replace(/^https?:\/\//i, "").toLowerCase().replace(/^www\./, "") !== host.replace(/:\d+$/, "").replace(/^www\./, "");
}
