"""Broken files: every problem at once, each with line, column, path and the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llms.config.load import ConfigError

Refuse = Callable[..., ConfigError]

CASES: dict[str, tuple[str, list[tuple[int, int, str, str]]]] = {
    "unknown key": (
        "server: {prot: 1}\nsever: {}\nbatch:\n  size: 3\n",
        [
            (1, 10, "server.prot", 'unknown key, did you mean "port"?'),
            (2, 1, "sever", 'unknown key, did you mean "server"?'),
            (4, 3, "batch.size", "unknown key, known keys are max_tokens, max_ms"),
        ],
    ),
    "unknown key of a provider": (
        "providers:\n  a: {type: openai, retires: 3}\n  b: {type: openai, ap1_key: x}\n",
        [
            (2, 21, "providers.a.retires", 'unknown key, did you mean "retries"?'),
            (3, 21, "providers.b.ap1_key", "unknown key"),
        ],
    ),
    "unknown provider type": (
        "providers: {a: {type: opnai}}\n",
        [(1, 23, "providers.a.type", 'unknown provider type "opnai", one of: openai, anthropic')],
    ),
    "missing key": (
        "providers:\n  a: {api_key: x}\nmodels:\n  m: {strategy: ordered}\n  n:\n",
        [
            (2, 3, "providers.a", 'needs the key "type", such as type: openai'),
            (4, 3, "models.m", 'needs the key "targets"'),
            (5, 3, "models.n", 'needs the key "targets"'),
        ],
    ),
    "not a mapping": (
        "server: [1]\nproviders: [openai]\nmodels: {m: openai/x}\ndefaults: {limits: 3}\n",
        [
            (1, 1, "server", "must be a mapping, write {name: value}"),
            (2, 1, "providers", "must be a mapping, write {name: {type: openai}}"),
            (3, 13, "models.m", 'must be a mapping, write {targets: ["provider/model"]}'),
            (4, 20, "defaults.limits", "must be a mapping"),
        ],
    ),
    "not a row": (
        "providers:\n  a:\n  b: openai\n  c: {retries: -1}\n  d: {type: 3, enabled: '${GONE}'}\n",
        [
            (2, 3, "providers.a", "must be a mapping, write {type: openai, …}"),
            (3, 6, "providers.b", "must be a mapping, write {type: openai, …}"),
            (4, 3, "providers.c", 'needs the key "type", such as type: openai'),
            (4, 16, "providers.c.retries", "must be at least 0"),
            (5, 13, "providers.d.type", "must be text, put quotes around it"),
            (5, 25, "providers.d.enabled", "the variable GONE is not set"),
        ],
    ),
    "top level is no mapping": ("- a\n- b\n", [(1, 1, "", "the file must be a mapping, write")]),
    "duration": (
        "defaults:\n  cooldown: soon\n  timeouts: {connect: 0, idle: 10 sec}\nserver: {drain: -5}\n",
        [
            (2, 13, "defaults.cooldown", "must be a duration, write it like 250ms, 10s, 5m or 1h"),
            (3, 23, "defaults.timeouts.connect", "must be more than 0"),
            (3, 32, "defaults.timeouts.idle", "must be a duration"),
            (4, 17, "server.drain", "must be a duration between 0 and ten years"),
        ],
    ),
    "size": (
        "server: {max_body: 64MB}\nresume: {buffer: 0}\n",
        [(1, 20, "server.max_body", "must be a size, write 64MiB"), (2, 18, "resume.buffer", "must be at least 1B")],
    ),
    "number out of range": (
        "server: {port: 65536, workers: 0}\ndefaults: {retries: -1}\n",
        [
            (1, 16, "server.port", "must be at most 65535"),
            (1, 32, "server.workers", "must be at least 1"),
            (2, 21, "defaults.retries", "must be at least 0"),
        ],
    ),
    "not a number": (
        "server: {port: http, workers: 1.5}\ndefaults: {retries: true, limits: {queue: null}}\n",
        [
            (1, 16, "server.port", "must be a whole number"),
            (1, 31, "server.workers", "must be a whole number"),
            (2, 21, "defaults.retries", "must be a whole number"),
            (2, 43, "defaults.limits.queue", "must be a whole number"),
        ],
    ),
    "not text": (
        "server: {host: 7, allowed_hosts: [1.5, ok], cors_origins: x}\n",
        [
            (1, 16, "server.host", "must be text, put quotes around it"),
            (1, 35, "server.allowed_hosts.0", "must be text, put quotes around it"),
            (1, 59, "server.cors_origins", "must be a list, write [first, second]"),
        ],
    ),
    "not a choice": (
        "models: {m: {targets: [a/b], strategy: weightd}}\nkeys: {required: maybe}\nstores: {usage: pg, state: disk}\n"
        "ui: {streaming: none, enabled: 1}\nproviders: {a: {type: openai}}\n",
        [
            (
                1,
                40,
                "models.m.strategy",
                'one of ordered, weighted, round_robin, least_busy, fastest, did you mean "we',
            ),
            (2, 18, "keys.required", "must be auto, true or false"),
            (3, 17, "stores.usage", "must be sqlite, sqlite:///PATH or none"),
            (3, 28, "stores.state", "must be memory or the address of a Redis, write it like redis://localhost:6379/0"),
            (4, 17, "ui.streaming", "must be one of resumable, plain, off"),
            (4, 32, "ui.enabled", "must be true or false"),
        ],
    ),
    "not built yet": (
        "providers: {a: {type: openai}}\nstores: {state: 'redis:/h'}\ncluster: {}\nbudgets: {x: 1}\n",
        [
            (2, 17, "stores.state", "must be memory or the address of a Redis, write it like redis://localhost:6379/0"),
            (3, 1, "cluster", "not built yet, remove it"),
            (4, 1, "budgets", "not built yet, remove it"),
        ],
    ),
    "unset variable": (
        'server: {host: "${NOPE}"}\nproviders:\n  a: {type: openai, base_url: os.environ/GONE, retries: "${R}"}\n',
        [
            (1, 16, "server.host", 'the variable NOPE is not set, set it, or give a default: "${NOPE:-…}"'),
            (3, 31, "providers.a.base_url", "the variable GONE is not set"),
            (3, 57, "providers.a.retries", "the variable R is not set"),
        ],
    ),
    "no variable": (
        'server: {host: "${1A}", data_dir: "a${"}\nproviders: {a: {type: openai, api_key: $OPENAI_API_KEY}}\n',
        [
            (1, 16, "server.host", 'this is not a variable, write "${NAME}" or "${NAME:-default}"'),
            (1, 35, "server.data_dir", "this is not a variable"),
            (2, 40, "providers.a.api_key", 'write "${OPENAI_API_KEY}"'),
        ],
    ),
    "unquoted variable in a flow mapping": (
        "discover: no\nproviders:\n  a: {type: openai, api_key: ${OPENAI_API_KEY}}\n",
        [
            (1, 11, "discover", 'an unquoted no means false to some YAML readers, write false, or if it is text "no"'),
            (3, 30, "", 'an unquoted "${" is read as a mapping here, quote it: "${OPENAI_API_KEY}"'),
        ],
    ),
    "unquoted variable in a list": (
        "keys: {static: [${LLMS_API_KEY:-}]}\n",
        [(1, 17, "", 'quote it: "${LLMS_API_KEY:-}"')],
    ),
    "variable in a key": (
        'providers: {"${TEAM}": {type: openai}}\n',
        [(1, 13, "providers", "a variable cannot stand in a key")],
    ),
    "duplicate key": (
        "server: {port: 1, port: 2}\nproviders:\n  a: {type: openai}\n  a: {type: openai}\n",
        [
            (1, 19, "server.port", "this key stands here twice, remove one; the first is in line 1"),
            (4, 3, "providers.a", "remove one; the first is in line 3"),
        ],
    ),
    "YAML tags": (
        'server: !!python/object/apply:os.system ["true"]\nkeys: {static: [!!str 1]}\nbatch: !mine {}\n',
        [
            (1, 9, "server", "the YAML tag !!python/object/apply:os.system is refused, write the plain value"),
            (2, 17, "keys.static.0", "the YAML tag !!str is refused"),
            (3, 8, "batch", "the YAML tag !mine is refused"),
        ],
    ),
    "YAML 1.1 surprises": (
        "discover: on\nserver: {host: 12:30, port: 010, workers: 1_0, data_dir: 2026-01-01}\n"
        "providers: {a: {type: openai_compatible, headers: {x: yes, y: .inf}}}\n",
        [
            (1, 11, "discover", "an unquoted on means true to some YAML readers, write true"),
            (2, 16, "server.host", 'a number of base 60, quote it: "12:30"'),
            (2, 29, "server.port", "YAML readers disagree about this number, write it in plain decimal digits"),
            (2, 43, "server.workers", "YAML readers disagree about this number"),
            (2, 58, "server.data_dir", 'an unquoted date is not text, quote it: "2026-01-01"'),
            (3, 55, "providers.a.headers.x", 'write true, or if it is text "yes"'),
            (3, 63, "providers.a.headers.y", 'this number has no value, if it is text, quote it: ".inf"'),
        ],
    ),
    "keys that are no text": (
        "models:\n  2026-01-01: {targets: [a/b]}\n  4.1: {targets: [a/b]}\n  no: {targets: [a/b]}\n  ? [x]\n  : y\n",
        [
            (2, 3, "models", 'an unquoted date is not text, quote it: "2026-01-01"'),
            (3, 3, "models", 'a key must be text, quote it: "4.1"'),
            (4, 3, "models", 'an unquoted no means false to some YAML readers, write false, or if it is text "no"'),
            (5, 5, "models", "a key must be plain text"),
        ],
    ),
    "provider names": (
        'providers: {a/b: {type: openai}, -x: {type: openai}, "": {type: openai}, "ü": {type: openai}}\n',
        [
            (1, 13, 'providers."a/b"', 'a provider\'s name cannot hold "/"'),
            (1, 34, "providers.-x", "this cannot name a provider, use letters"),
            (1, 54, 'providers.""', "this cannot name a provider"),
            (1, 74, 'providers."ü"', "this cannot name a provider"),
        ],
    ),
    "targets": (
        "providers: {openai: {type: openai}}\nmodels:\n"
        "  a: {targets: [openia/x, groq/y, plain, openai/, 7, {target: zz/x, wieght: 1}], on_context_overflow: b}\n"
        "  b: {targets: []}\n  c: {targets: [{target: openai/x, weight: 0}, {target: openai/y, weight: 0}]}\n"
        '  d: {targets: [{target: openai/x, weight: -1}], on_context_overflow: "no spaces/x y"}\n',
        [
            (3, 17, "models.a.targets.0", 'no provider is named "openia", did you mean "openai"?'),
            (3, 27, "models.a.targets.1", 'no provider is named "groq", add a row "groq" under providers'),
            (3, 35, "models.a.targets.2", 'must name a provider and its model, write "provider/model"'),
            (3, 42, "models.a.targets.3", "must name a provider and its model"),
            (3, 51, "models.a.targets.4", 'must be "provider/model" or {target:'),
            (3, 63, "models.a.targets.5.target", 'no provider is named "zz"'),
            (3, 69, "models.a.targets.5.wieght", 'unknown key, did you mean "weight"?'),
            (3, 103, "models.a.on_context_overflow", 'write "provider/model"'),
            (4, 7, "models.b.targets", "needs at least one target"),
            (5, 7, "models.c.targets", "all weights are 0, give one target a weight of 1 or more"),
            (6, 44, "models.d.targets.0.weight", "must be at least 0"),
            (6, 71, "models.d.on_context_overflow", "must name a provider and its model"),
        ],
    ),
    "stars": (
        'providers: {a: {type: openai}}\nmodels:\n  "x*y*": {targets: [a/b]}\n  plain: {targets: ["a/*"]}\n'
        '  "z*": {targets: ["a/*-*"]}\n  "with space": {targets: [a/b]}\n',
        [
            (3, 3, "models.x*y*", 'a name may hold one "*" only'),
            (4, 21, "models.plain.targets.0", 'a "*" here needs one in the name'),
            (5, 20, "models.z*.targets.0", 'may hold one "*" only'),
            (6, 3, 'models."with space"', "this cannot name a model"),
        ],
    ),
    "static keys": (
        "keys: {static: [12345, null, {}]}\n",
        [
            (1, 17, "keys.static.0", "must be text, put quotes around it"),
            (1, 24, "keys.static.1", 'must be text, write "" for none'),
            (1, 30, "keys.static.2", "must be text"),
        ],
    ),
    "alias without anchor": (
        "server: *nothing\nmodels: {m: {targets: &t [*t]}}\n",
        [
            (1, 9, "server", 'there is no anchor &nothing above, if it is text, quote it: "*nothing"'),
            (2, 27, "models.m.targets.0", "there is no anchor &t above"),
        ],
    ),
    "merge of no mapping": (
        "server: {<<: 3, port: 1}\n",
        [(1, 14, "server", "only mappings can be merged")],
    ),
    "tab": ("server:\n\tport: 1\n", [(2, 1, "", "a tab cannot indent, indent with spaces")]),
    "open quote": (
        'server: {host: "x}\nui: {}\n',
        [(2, 7, "", "a quoted text is not closed, close the quote that was opened in line 1")],
    ),
    "open mapping": (
        "server: {port: 1\n\nui: {}\n",
        [(3, 3, "", 'a "," or "}" is missing, close the mapping that was opened in line 1')],
    ),
    "open list at the end": ("server: {allowed_hosts: [a\n\n", [(1, 27, "", 'a "," or "]" is missing')]),
    "value with a colon": ("server: host: x\n", [(1, 13, "", 'a ":" is not expected here, quote the value')]),
    "indentation": (
        "server:\n  port: 1\n host: x\n",
        [(3, 2, "", "this line does not fit the lines above, check its indentation")],
    ),
    "star without quotes": ("models: {*: {targets: [a/b]}}\n", [(1, 11, "", "a value cannot start like this")]),
    "at sign": ("server: {host: @x}\n", [(1, 16, "", 'a value cannot start like this, quote it: "…"')]),
    "backslash": (
        'server: {data_dir: "C:\\llms"}\n',
        [(1, 23, "", "this escape is not known, write \\\\ for a backslash, or use single quotes")],
    ),
    "two documents": (
        "server: {}\n---\nui: {}\n",
        [(2, 1, "", 'a second document starts here, remove the line "---"')],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_problem_is_told_with_its_place_and_the_fix(name: str, refuse: Refuse) -> None:
    text, expected = CASES[name]
    error = refuse(text)
    told = [(each.line, each.column, each.path, each.render("f").split("\n")[0]) for each in error.problems]
    assert [(line, column, path) for line, column, path, _ in told] == [case[:3] for case in expected]
    for (*_, first_line), (*_, words) in zip(told, expected, strict=True):
        assert words in first_line


@pytest.mark.parametrize("name", CASES)
def test_the_line_is_shown_and_the_column_is_in_it(name: str, refuse: Refuse) -> None:
    text, _ = CASES[name]
    lines = text.split("\n")
    for problem in refuse(text).problems:
        assert problem.source_line.replace("***", "") in lines[problem.line - 1] or "***" in problem.source_line
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.hint or problem.message.startswith(("must ", "unknown key", "needs ", "may "))


def test_the_report_reads_like_a_compilers(refuse: Refuse) -> None:
    text = "providers:\n" + "\n" * 36 + "  azure-eu: {type: openai, api_key: x, limits: {concurency: 64}}\n"
    assert str(refuse(text)) == (
        'providers.yaml:38:49: providers.azure-eu.limits.concurency: unknown key, did you mean "concurrency"?\n'
        "    38 |   azure-eu: {type: openai, api_key: ***, limits: {concurency: 64}}"
    )


def test_many_problems_come_in_the_order_of_the_file(refuse: Refuse) -> None:
    error = refuse("ui: {x: 1}\nmodels: {m: {targets: [a/b]}}\nserver: {port: x}\nproviders: {p: {type: q}}\n")
    assert [problem.line for problem in error.problems] == [1, 2, 3, 4]


def test_a_refused_value_is_not_reported_a_second_time(refuse: Refuse) -> None:
    error = refuse('server: {port: 010, host: "${NOPE}"}\nproviders: {a: {type: openai, api_key: no}}\n')
    assert [problem.path for problem in error.problems] == ["server.port", "server.host", "providers.a.api_key"]


def test_the_line_is_counted_alike_with_every_kind_of_line_end(refuse: Refuse) -> None:
    for end in ("\n", "\r\n", "\r"):
        (problem,) = refuse(f"discover: true{end}# é{end}server: {{prot: 1}}{end}").problems
        assert (problem.line, problem.column, problem.source_line) == (3, 10, "server: {prot: 1}")


def test_columns_count_characters(refuse: Refuse) -> None:
    (problem,) = refuse('server: {host: "näïve 🎈", prot: 1}\n').problems
    assert problem.column == 27


def test_a_long_line_is_cut_around_the_problem(refuse: Refuse) -> None:
    (problem,) = refuse(f"server: {{host: {'x' * 500}, prot: 1, data_dir: {'y' * 500}}}\n").problems
    assert len(problem.source_line) < 200
    assert "prot: 1" in problem.source_line


def test_a_problem_under_a_merged_key_is_shown_where_it_stands(refuse: Refuse) -> None:
    error = refuse("defaults: {timeouts: &t {conect: 1}}\nproviders: {a: {type: openai, timeouts: {<<: *t}}}\n")
    assert {(problem.line, problem.column) for problem in error.problems} == {(1, 26)}


def test_hundreds_of_problems_are_summed_up(refuse: Refuse) -> None:
    error = refuse("server:\n" + "".join(f"  k{number}: 1\n" for number in range(300)))
    assert len(error.problems) == 300
    assert str(error).endswith("and 200 more problems")
