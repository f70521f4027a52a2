// Requests to the server: errors, sign-in, features that are not there, lists of models, downloads.

import "./vendored.mjs";

import assert from "node:assert/strict";
import test from "node:test";

import { event, json, response } from "./stage.mjs";

const { ifPresent, needsSignIn, pathOf, request } = await import("../../llms/ui/api/http.mjs");
const { signIn, signInByLink, signOut } = await import("../../llms/ui/api/session.mjs");
const { modelOf } = await import("../../llms/ui/api/model.mjs");
const { chosenModel, groupModels, modelById, models, modelsState, refreshModels, toggleFavourite } = await import("../../llms/ui/api/models.mjs");
const { deleteModel, listLocalModels, loadModel, unloadModel } = await import("../../llms/ui/api/localModels.mjs");
const { pullModel } = await import("../../llms/ui/api/pull.mjs");
const { listProviders } = await import("../../llms/ui/api/providers.mjs");
const { readUsage } = await import("../../llms/ui/api/usage.mjs");
const { readServerSettings } = await import("../../llms/ui/api/serverSettings.mjs");
const { signal } = await import("../../llms/ui/view.mjs");

const refusal = (code, status, headers) => json({ error: { message: "no", type: "x", param: "id", code } }, { status, headers });

// A fetch that answers in turn and remembers what it was asked.
function server(...answers) {
  const asked = [];
  const fetch = async (path, init) => {
    asked.push({ method: init.method, path, body: init.body && JSON.parse(init.body), headers: init.headers });
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    return typeof answer === "function" ? answer(init) : answer;
  };
  return { asked, fetch };
}

test("an answer is JSON, or nothing", async () => {
  const { asked, fetch } = server(json({ a: 1 }), new Response(null, { status: 204 }));
  assert.deepEqual(await request("POST", "/api/x", { body: { b: 2 }, fetch }), { a: 1 });
  assert.equal(await request("DELETE", "/api/x", { fetch }), null);
  assert.deepEqual(asked[0].body, { b: 2 });
  assert.equal(asked[0].headers["Content-Type"], "application/json");
  assert.ok(!("Content-Type" in asked[1].headers));
});

test("an error says all that the server said", async () => {
  const { fetch } = server(refusal("conflict", 409, { "retry-after": "3" }));
  await assert.rejects(request("GET", "/x", { fetch }), (error) => {
    const { status, code, message, param, retryAfter } = error;
    assert.deepEqual({ status, code, message, param, retryAfter }, { status: 409, code: "conflict", message: "no", param: "id", retryAfter: 3 });
    return true;
  });
});

test("no connection, a stop, and an answer that is no JSON have errors of their own", async () => {
  const broken = server(() => Promise.reject(new TypeError("failed")));
  await assert.rejects(request("GET", "/x", broken), { type: "NETWORK" });
  const stop = AbortSignal.abort();
  await assert.rejects(request("GET", "/x", { ...broken, signal: stop }), { type: "CANCELLED" });
  await assert.rejects(request("GET", "/x", server(new Response("<p>"))), { type: "PARSE" });
});

test("a refusal for want of a key asks for one, until somebody signs in", async () => {
  needsSignIn.value = false;
  await assert.rejects(request("GET", "/x", server(refusal("upstream_authentication_failed", 502))));
  assert.equal(needsSignIn.value, false);
  await assert.rejects(request("GET", "/x", server(refusal("invalid_api_key", 401))), { status: 401 });
  assert.equal(needsSignIn.value, true);
  const { asked, fetch } = server(new Response(null, { status: 204 }));
  await signIn(" sk-1 ", { fetch });
  assert.deepEqual(asked[0].body, { key: "sk-1" });
  assert.equal(needsSignIn.value, false);
  await signOut({ fetch });
  assert.equal(needsSignIn.value, true);
});

test("a sign-in link is used once and leaves the address", async () => {
  const replaced = [];
  const page = { location: { hash: "#sign-in=abc%2F", pathname: "/", search: "?q" }, history: { state: null, replaceState: (...given) => replaced.push(given) } };
  const { asked, fetch } = server(new Response(null, { status: 204 }));
  assert.equal(await signInByLink({ ...page, fetch }), true);
  assert.deepEqual(asked[0].body, { link: "abc/" });
  assert.deepEqual(replaced, [[null, "", "/?q"]]);
  assert.equal(await signInByLink({ location: { hash: "#t=1" }, history: page.history, fetch }), false);
  await assert.rejects(signInByLink({ ...page, ...server(refusal("invalid_api_key", 401)) }), { status: 401 });
});

test("a feature that this server lacks is absent, any other failure is one", async () => {
  const lacking = () => server(refusal("not_found", 404));
  assert.equal(await listLocalModels(lacking()), null);
  assert.equal(await listProviders(lacking()), null);
  assert.equal(await readUsage({ days: 7 }, lacking()), null);
  assert.equal(await readServerSettings(lacking()), null);
  await assert.rejects(ifPresent(request("GET", "/x", server(refusal("model_not_found", 404)))), { code: "model_not_found" });
  await assert.rejects(listProviders(server(refusal("internal_error", 500))), { status: 500 });
});

test("ids with slashes keep them in the path", async () => {
  assert.equal(pathOf("local/a b/c#d"), "local/a%20b/c%23d");
  const { asked, fetch } = server(() => json({}));
  await loadModel("local/a b", { fetch });
  await unloadModel("local/x", { fetch });
  await deleteModel("x", { fetch });
  await readUsage({ days: 30, model: null }, { fetch });
  assert.deepEqual(asked.map(({ method, path }) => `${method} ${path}`), ["POST /api/models/local/a%20b/load", "DELETE /api/models/local/x/load", "DELETE /api/models/x", "GET /api/usage?days=30"]);
});

// ---- models

test("a model is read in the spelling of its upstream", () => {
  const local = modelOf({ id: "local/demo", provider: "local", label: "demo", context_window: 1024, capabilities: ["chat"], state: "loaded", quantization: "Q4_K_M", size_bytes: 5 });
  assert.equal(local.name, "demo");
  assert.deepEqual([local.label, local.contextWindow, local.isChat, local.state, local.quantization, local.sizeBytes], ["demo", 1024, true, "loaded", "Q4_K_M", 5]);
  const router = modelOf({ id: "or/x", context_length: 8, pricing: { prompt: "0.000001", completion: "0.000002" }, architecture: { input_modalities: ["text", "image"] } });
  assert.equal(router.contextWindow, 8);
  assert.ok(Math.abs(router.price.input - 1) < 1e-9 && Math.abs(router.price.output - 2) < 1e-9);
  assert.equal(router.seesImages, true);
  assert.deepEqual(modelOf({ id: "t", pricing: { input: 3, output: 4 } }).price, { input: 3, output: 4, cachedInput: null });
  assert.equal(modelOf({ id: "t", pricing: { prompt: "-1", completion: "-1" } }).price, null);
  assert.equal(modelOf({ id: "m", capabilities: { completion_chat: true, vision: true, audio: false } }).seesImages, true);
  assert.equal(modelOf({ id: "m" }).contextWindow, null);
});

test("models that do not chat are known by what is said, else by their names", () => {
  const chats = (entry) => modelOf({ id: "x", ...entry }).isChat;
  assert.equal(chats({}), true);
  assert.equal(chats({ id: "text-embedding-3" }), false);
  assert.equal(chats({ id: "up/whisper-1" }), false);
  assert.equal(chats({ capabilities: ["embeddings"] }), false);
  assert.equal(chats({ capabilities: [] }), false);
  assert.equal(chats({ capabilities: ["vision", "tools"] }), true);
  assert.equal(chats({ id: "my-embed-chat", capabilities: ["chat"] }), true);
});

const LIST = { object: "list", data: [{ id: "alias" }, { id: "up/a", provider: "up" }, { id: "up/embed", provider: "up" }, { id: "local/b", provider: "local", label: "demo" }, { nonsense: 1 }] };

test("the list is read once at a time, and its failure is told", async () => {
  const { asked, fetch } = server(json(LIST));
  await Promise.all([refreshModels({ fetch }), refreshModels({ fetch })]);
  assert.equal(asked.length, 1);
  assert.equal(modelsState.value.state, "read");
  assert.equal(models.value.length, 4);
  assert.equal(modelById("up/a").name, "a");
  await refreshModels(server(refusal("internal_error", 500)));
  assert.equal(modelsState.value.state, "failed");
  assert.equal(modelsState.value.problem.status, 500);
  assert.equal(models.value.length, 4, "the list of before stays");
});

test("groups: favourites, own names, providers; only what chats and matches", async () => {
  await refreshModels(server(json(LIST)));
  const told = (options) => groupModels(models.value, options).map(({ provider, models: list }) => [provider, list.map(({ id }) => id)]);
  assert.deepEqual(told({}), [[null, ["alias"]], ["up", ["up/a"]], ["local", ["local/b"]]]);
  assert.deepEqual(told({ favourites: ["local/b"] })[0], ["favourites", ["local/b"]]);
  assert.deepEqual(told({ query: "DEMO local" }), [["local", ["local/b"]]]);
  assert.deepEqual(told({ query: "up", all: true }), [["up", ["up/a", "up/embed"]]]);
});

test("the model that answers is the chosen one, listed or not; without a choice one that is there", async () => {
  await refreshModels(server(json(LIST)));
  assert.equal(chosenModel("up/a", "alias").name, "a");
  assert.deepEqual([chosenModel("up/new", "alias").id, chosenModel("up/new").price], ["up/new", null]);
  assert.equal(chosenModel(null, "gone", "up/a", "alias").id, "up/a");
  assert.equal(chosenModel(null).id, "alias");
  models.value = [];
  assert.equal(chosenModel(null, "up/a"), null);
});

test("a favourite is one until it is none", () => {
  const favourites = signal([]);
  toggleFavourite(favourites, "a");
  toggleFavourite(favourites, "b");
  toggleFavourite(favourites, "a");
  assert.deepEqual(favourites.value, ["b"]);
});

// ---- downloads

test("a download is told as it goes", async () => {
  const lines = [{ status: "downloading", completed: 1, total: 2 }, { status: "done", model: "x", id: "local/x", size: 2 }].map(event);
  const told = [];
  const { asked, fetch } = server(response([lines[0] + lines[1].slice(0, 9), lines[1].slice(9)]));
  assert.deepEqual(await pullModel("owner/repo", { onProgress: (step) => told.push(step.completed), fetch }), { model: "x", id: "local/x", size: 2 });
  assert.deepEqual(told, [1]);
  assert.deepEqual(asked[0].body, { source: "owner/repo" });
});

test("a download that fails says why", async () => {
  const failed = () => response([event({ status: "downloading", completed: 1, total: 2 }), event({ error: { code: "insufficient_storage", message: "full" } })]);
  await assert.rejects(pullModel("x", server(failed())), { code: "insufficient_storage", message: "full" });
  await assert.rejects(pullModel("x", server(refusal("invalid_request", 400))), { status: 400 });
  await assert.rejects(pullModel("x", server(response([event({ status: "downloading", completed: 1, total: 2 })]))), { type: "NETWORK" });
  await assert.rejects(pullModel("x", server(response([new Error("cut")]))), { type: "NETWORK" });
});
