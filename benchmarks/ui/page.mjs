// Shows one answer as the chat does, at the bottom of the page, and counts what a reader would feel.

const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
const base = imports.marked.replace("vendor/marked.mjs", "");
const { MarkdownView } = await import(`${base}markdown/render.mjs`);
const { chatWithModelStream } = await import(`${base}streaming.mjs`);

const FRAME = 1000 / 60;

// way: "ours", or "whole", which draws the whole text anew at each frame. Returns what was counted.
globalThis.show = async ({ kind, tokens, rate, way }) => {
  const place = document.getElementById("answer");
  const element = place.appendChild(document.createElement("div"));
  const stick = () => window.scrollTo(0, document.documentElement.scrollHeight);
  const view = way === "ours" ? new MarkdownView(element, { onRender: stick }) : wholeView(element, stick);
  const frames = countFrames();
  const tasks = countLongTasks();
  const start = performance.now();
  const completion = await chatWithModelStream({ model: "m", messages: [], kind, tokens, rate }, (text) => view.push(text));
  view.end();
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 300)));
  const figures = { seconds: (performance.now() - start - 300) / 1000, ...frames(), ...tasks() };
  const text = completion.choices[0].message.content;
  return { ...figures, letters: text.length, isSame: isSame(element, text) };
};

function countFrames() {
  const gaps = [];
  let last = performance.now();
  let isRunning = true;
  const tick = (now) => {
    gaps.push(now - last);
    last = now;
    if (isRunning) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  return () => {
    isRunning = false;
    gaps.sort((one, other) => one - other);
    const dropped = gaps.reduce((sum, gap) => sum + Math.max(0, Math.round(gap / FRAME) - 1), 0);
    return { frames: gaps.length, dropped, p95: gaps[Math.floor(gaps.length * 0.95)] ?? 0 };
  };
}

function countLongTasks() {
  const durations = [];
  const observer = new PerformanceObserver((list) => durations.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ entryTypes: ["longtask"] });
  return () => {
    observer.disconnect();
    return { long: durations.length, longTotal: durations.reduce((sum, duration) => sum + duration, 0), worst: Math.max(0, ...durations) };
  };
}

// What most chats do.
function wholeView(element, onRender) {
  let text = "";
  let frame = null;
  let view = null;
  const draw = () => {
    frame = null;
    view?.destroy();
    view = new MarkdownView(element);
    view.set(text);
    onRender();
  };
  return {
    push(delta) {
      text += delta;
      frame ??= requestAnimationFrame(draw);
    },
    end() {
      cancelAnimationFrame(frame);
      draw();
    },
  };
}

// Whether the page is the one that the whole text makes at once; colours and formulas come when they are seen.
function isSame(element, text) {
  const whole = document.createElement("div");
  new MarkdownView(whole).set(text);
  return plain(whole).isEqualNode(plain(element));
}

function plain(element) {
  const copy = element.cloneNode(true);
  for (const code of copy.querySelectorAll("code")) code.replaceChildren(code.textContent);
  for (const formula of copy.querySelectorAll(".md-math")) formula.replaceChildren();
  for (const node of copy.querySelectorAll("[data-state]")) node.removeAttribute("data-state");
  return copy;
}
