"""Threads in a real browser: IndexedDB, tabs that share it, answers that survive their page. The page is empty here."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from llms.testing.fake_upstream import stall, text_stream
from tests.ui.conftest import Server, Visit

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

SCRIPTS: Final = re.compile(
    r'<script type="module"[^>]*></script>|<link rel="(modulepreload|preload|stylesheet)"[^>]*>'
)
OPEN: Final = """async () => {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  const base = imports.idb.replace("vendor/idb.mjs", "");
  globalThis.load = (path) => import(base + path);
  const { useThreadStore } = await load("threadStore.mjs");
  const { textOf } = await load("store/message.mjs");
  globalThis.store = useThreadStore();
  globalThis.texts = () => store.path.value.map(textOf);
  globalThis.until = async (reached, patience = 15_000) => {
    for (const end = performance.now() + patience; !(await reached()); ) {
      if (performance.now() > end) throw new Error(`no ${reached}; there is ${JSON.stringify(store.path.value)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  globalThis.runs = async () => (await load("run/runs.mjs")).useRuns();
  await store.ready;
}"""
POOR: Final = """
delete Crypto.prototype.randomUUID;
for (const name of ["locks", "storage"]) Object.defineProperty(Navigator.prototype, name, { value: undefined });
Object.defineProperty(Crypto.prototype, "subtle", { value: undefined });
"""
"""What a page over plain HTTP to another machine lacks."""
START: Final = "/ui/favicon.svg"
"""A place of the same origin that asks for nothing more."""
TALE: Final = "Once upon a time there was a stream that did not end before it was told to do so."


async def _without_app(route: Route) -> None:
    """Answer the page without what it runs and shows by itself."""
    answer = await route.fetch()
    await route.fulfill(response=answer, body=SCRIPTS.sub("", await answer.text()))


async def opened(page: Page) -> Page:
    """Open the empty page and give it `store`, `texts()`, `until(reached)`, `runs()` and `load(path)`."""
    await page.route(re.compile(r"//[^/]+/$"), _without_app)
    await page.goto("/")
    await page.evaluate(OPEN)
    return page


@asynccontextmanager
async def tabs(visit: Visit, server: Server, *, poor: bool = False) -> AsyncGenerator[tuple[Page, Page], None]:
    """Open two tabs of one browser."""
    async with visit(server.proxy, START) as one:
        if poor:
            await one.context.add_init_script(POOR)
        two = await one.context.new_page()
        yield await opened(one), await opened(two)


async def begin(page: Page, server: Server, *, pace: float = 0.05) -> str:
    """Send a message whose answer comes word by word and never ends; return the thread's id."""
    words = text_stream(TALE)
    server.upstream.script(words.first(len(TALE.split()) + 1).paced(pace).then(stall()))
    return await page.evaluate(  # type: ignore[no-any-return]
        """async () => {
          const { threadId } = await (await runs()).send(null, "Tell me a tale", { models: ["m"] });
          await store.openThread(threadId);
          return threadId;
        }"""
    )


async def test_threads_outlive_their_page(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        thread = await page.evaluate(
            """async () => {
              const { id } = await store.createThread({ params: { temperature: 0.5 } });
              const question = await store.addMessage(id, { role: "user", parts: "Hello" });
              await store.addMessage(id, { role: "assistant", parts: "Hi" });
              await store.editMessage(id, question.id, "Good day");
              const image = await store.keepFile(new File([new Uint8Array([1, 2, 3])], "a.png", { type: "image/png" }));
              await store.addMessage(id, { role: "assistant", parts: [{ type: "image", ...image }] });
              await store.createFolder("Work");
              store.drafts.write(id, { text: "half" }); // the page is left before the pause after which it is kept
              return id;
            }"""
        )
        await opened(page)
        kept = await page.evaluate(
            """async (id) => {
              await store.openThread(id);
              const [question, answer] = store.path.value;
              const { bytes } = await store.readBlob(answer.parts[0].blob);
              return {
                title: store.current.value.title,
                texts: texts(),
                siblings: store.siblingsOf(question.id).length,
                bytes: [...new Uint8Array(bytes)],
                url: (await store.blobUrl(answer.parts[0].blob)).slice(0, 5),
                folders: store.folders.value.map(({ name }) => name),
                draft: (await store.drafts.read(id)).text,
                persistent: store.isPersistent.value,
              };
            }""",
            thread,
        )
        assert kept == {
            "title": "Hello",
            "texts": ["Good day", ""],
            "siblings": 2,
            "bytes": [1, 2, 3],
            "url": "blob:",
            "folders": ["Work"],
            "draft": "half",
            "persistent": True,
        }


async def test_a_deletion_is_done_and_can_be_taken_back(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        counts = await page.evaluate(
            """async () => {
              const { id } = await store.createThread();
              for (const parts of ["a", "b", "c"]) await store.addMessage(id, { role: "user", parts });
              await store.openThread(id);
              const count = async () => (await store.getMessages(id)).length;
              await store.deleteMessage(id, store.path.value[1].id);
              const [between, undone] = [texts(), await store.undo()];
              await store.deleteThreads(id);
              const gone = await count();
              await store.undo();
              return [between, undone, gone, await count()];
            }"""
        )
        assert counts == [["a", "c"], True, 0, 3]


async def test_a_change_is_done_whole_or_not_at_all(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        names = await page.evaluate(
            """async () => {
              const { openDatabase } = await load("store/database.mjs");
              const database = await openDatabase();
              const put = (id) => ({ store: "folders", put: { id, name: id, createdAt: 1 } });
              await database.change([put("a")]);
              const broken = { store: "folders", id: "a", edit: () => { throw new Error("broken"); } };
              const failure = await database.change([put("b"), broken]).catch((error) => error.message);
              await database.change([put("c")]);
              return [failure, ...(await database.ids("folders"))];
            }"""
        )
        assert names == ["broken", "a", "c"]


async def test_a_database_that_was_taken_away_is_opened_again(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        threads = await page.evaluate(
            """async () => {
              await store.createThread({ title: "before" });
              await new Promise((resolve, reject) => {
                const request = indexedDB.deleteDatabase("llms");
                Object.assign(request, { onsuccess: resolve, onerror: reject });
              });
              const { id } = await store.createThread({ title: "after" });
              await store.addMessage(id, { role: "user", parts: "x" });
              return (await store.getMessages(id)).length;
            }"""
        )
        assert threads == 1


@pytest.mark.parametrize("poor", [False, True], ids=["secure", "plain http"])
async def test_an_answer_grows_in_both_tabs_and_is_marked_when_its_tab_goes(
    server: Server, visit: Visit, poor: bool
) -> None:
    async with tabs(visit, server, poor=poor) as (one, two):
        thread = await begin(one, server, pace=0.1)
        lengths = await two.evaluate(
            """async (id) => {
              await until(() => store.getThread(id));
              await store.openThread(id);
              const lengths = new Set();
              await until(() => lengths.add(texts()[1]?.length ?? 0).size > 2);
              return [...lengths];
            }""",
            thread,
        )
        assert lengths == sorted(lengths)
        await two.evaluate("until(() => texts()[1]?.length > 60)")
        await one.close()
        marked = await two.evaluate(
            """async () => {
              await until(() => store.path.value[1].status === "interrupted");
              return { text: texts()[1], live: store.live.messages.value.size };
            }"""
        )
        assert TALE.startswith(marked["text"].rstrip())
        assert len(marked["text"]) > 60
        assert marked["live"] == 0


async def test_an_answer_outlives_a_reload_but_for_its_last_moment(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        thread = await begin(page, server, pace=0.02)
        shown = await page.evaluate(
            """async () => {
              const { activeRuns } = await load("run/active.mjs");
              const [run] = activeRuns.value.values();
              await until(() => run.text.value.length > 40);
              return run.text.value.length;
            }"""
        )
        await opened(page)
        kept = await page.evaluate(
            """async (id) => {
              await store.openThread(id);
              await until(() => store.path.value[1].status === "interrupted");
              return texts()[1];
            }""",
            thread,
        )
        assert TALE.startswith(kept.rstrip())
        assert len(kept) >= shown, "what was seen is there"


async def test_an_answer_of_the_proxy_is_kept_with_its_figures(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        server.upstream.script(text_stream("Hello world").paced(0.02))
        kept = await page.evaluate(
            """async () => {
              const made = await (await runs()).send(null, "Hi", { models: ["m"] });
              await store.openThread(made.threadId);
              await Promise.all(made.runs.map((run) => run.finished));
              const { parts, status, usage, provider, requestId, timing } = store.path.value[1];
              const [total, hasId, ttft] = [usage.total_tokens, Boolean(requestId), timing.ttft];
              return { parts, status, total, provider, hasId, ttft };
            }"""
        )
        assert kept.pop("ttft") > 0
        parts = [{"type": "text", "text": "Hello world"}]
        assert kept == {"parts": parts, "status": "done", "total": 12, "provider": "up", "hasId": True}
        assert server.upstream.chats[0].json["stream_options"] == {"include_usage": True}


async def test_another_tab_stops_an_answer(server: Server, visit: Visit) -> None:
    async with tabs(visit, server) as (one, two):
        thread = await begin(one, server)
        await two.evaluate(
            """async (id) => {
              await until(() => store.getThread(id));
              await store.openThread(id);
              await until(() => texts()[1]);
              (await runs()).stop(store.path.value[1].id);
              await until(() => store.path.value[1].status === "canceled");
            }""",
            thread,
        )
        assert await one.evaluate("store.path.value[1].status") == "canceled"


async def test_an_unknown_model_leaves_its_reason_with_the_question(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START, expect=[r"status of 404"]) as page:
        await opened(page)
        left = await page.evaluate(
            """async () => {
              const made = await (await runs()).send(null, "Hi", { models: ["nobody"] });
              await store.openThread(made.threadId);
              await Promise.all(made.runs.map((run) => run.finished));
              return store.path.value.map(({ role, failures: [{ error }] }) => [role, error.code, error.status]);
            }"""
        )
        assert left == [["user", "model_not_found", 404]]


async def test_a_picture_is_made_to_fit(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        fitted = await page.evaluate(
            """async () => {
              const { fitted } = await load("store/images.mjs");
              const drawn = (width, height, type) => {
                const canvas = Object.assign(document.createElement("canvas"), { width, height });
                canvas.getContext("2d").fillRect(0, 0, width, height);
                const file = (blob) => new File([blob], "a", { type });
                return new Promise((resolve) => canvas.toBlob((blob) => resolve(file(blob)), type));
              };
              const told = async (width, height, type) => {
                const given = await drawn(width, height, type);
                const made = await fitted(given, { longest: 100 });
                const { width: w, height: h } = await createImageBitmap(made.file);
                return [made.width, made.height, w, h, made.file.type, made.file === given];
              };
              const none = await fitted(new File(["x"], "x.png", { type: "image/png" })).catch((error) => error.name);
              const [png, jpeg] = ["image/png", "image/jpeg"];
              return [await told(50, 40, png), await told(400, 200, png), await told(30, 600, jpeg), none];
            }"""
        )
        assert fitted == [
            [50, 40, 50, 40, "image/png", True],
            [100, 50, 100, 50, "image/png", False],
            [5, 100, 5, 100, "image/jpeg", False],
            "InvalidStateError",
        ]


async def test_a_thousand_threads_are_listed_and_searched(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, START) as page:
        await opened(page)
        await page.evaluate(FILL)
        await opened(page)
        found: dict[str, Any] = await page.evaluate(SEARCH)
        assert found == {"threads": 1000, "hits": [1, 50, 50, 1, 0]}


FILL: Final = """async () => {
  const words = "stream token model window river garden proxy answer letter number castle winter signal".split(" ");
  let state = 7;
  const word = () => words[(state = (state * 48271) % 2147483647) % words.length] + (state % 400);
  const text = (count) => Array.from({ length: count }, word).join(" ");
  const threads = Array.from({ length: 1000 }, (_, thread) => ({
    id: `t${thread}`,
    title: `Thread ${thread} ${text(3)}`,
    createdAt: 1_700_000_000_000 + thread,
    updatedAt: 1_700_000_000_000 + thread,
    messages: Array.from({ length: 10 }, (_, index) => ({
      id: `m${index}`,
      parentId: index ? `m${index - 1}` : null,
      role: index % 2 ? "assistant" : "user",
      parts: [{ type: "text", text: `${text(80)} ${thread === 500 && index === 5 ? "needle" : ""}` }],
    })),
  }));
  const file = new File([JSON.stringify({ format: "llms-threads", version: 1, threads })], "x.json");
  await store.importThreads(file);
}"""
SEARCH: Final = """async () => {
  await store.prepareSearch();
  const hits = [];
  for (const query of ["needle", "gar", "river1 cas", "thread 500 needle", "nosuchwordanywhere"])
    hits.push((await store.search(query)).length);
  return { threads: store.threads.value.length, hits };
}"""
