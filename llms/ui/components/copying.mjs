// Puts a text on the clipboard, also where the page came over plain HTTP and has none of its own.

export async function copyText(text, { clipboard = navigator.clipboard, page = document } = {}) {
  if (clipboard) return clipboard.writeText(text);
  const field = page.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  page.body.append(field);
  field.select();
  const isCopied = page.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("The browser did not allow copying.");
  return undefined;
}
