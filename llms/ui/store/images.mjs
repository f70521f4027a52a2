// Pictures small enough for a model: the longest side is bounded, and what is no common format becomes one.

const LONGEST = 2048; // pixels
const LARGEST = 4 * 1024 * 1024; // bytes
const COMMON = ["image/png", "image/jpeg", "image/webp", "image/gif"];

// Returns {file, width, height}: the file itself where it fits, else a smaller copy. Throws where it is no picture.
export async function fitted(file, { longest = LONGEST, largest = LARGEST } = {}) {
  const picture = await createImageBitmap(file);
  const { width, height } = picture;
  const scale = Math.min(1, longest / Math.max(width, height));
  try {
    if (scale === 1 && file.size <= largest && COMMON.includes(file.type)) return { file, width, height };
    return await drawn(picture, { name: file.name, isFlat: file.type !== "image/png", width: side(width, scale), height: side(height, scale) });
  } finally {
    picture.close();
  }
}

async function drawn(picture, { name, isFlat, width, height }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, isFlat ? "image/jpeg" : "image/png", 0.9));
  if (!blob) throw new TypeError("The picture is too large to be made smaller here.");
  return { file: new File([blob], name ?? "image", { type: blob.type }), width, height };
}

const side = (pixels, scale) => Math.max(1, Math.round(pixels * scale));
