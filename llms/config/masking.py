"""Keep secrets out of everything that is shown: reports, logs, `config show`, diffs."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"

_WORD = re.compile(r"[a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_INSIDE = ("secret", "password", "passwd", "passphrase", "credential", "authorization", "apikey")
_ENDINGS = ("key", "keys", "token", "tokens", "auth", "cookie", "cookies", "bearer", "pwd")
_NAMED = ("providers", "models", "skipped")

_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_PARAMETER = re.compile(r"(?<=[?&;])([\w.-]{1,100})=([^&;#\s\"']+)")
_BEARER = re.compile(r"\b(bearer|basic)\s+[^\s\"',}]{6,}", re.IGNORECASE)
_TOKEN = re.compile(r"\b(?:sk|pk|gsk|xai|hf|ghp|AIza)[-_]?[A-Za-z0-9_-]{16,}")
_PAIR = re.compile(r"""(?<![\w.-])([\w.-]{1,100})(["']?\s*:\s*)(\[[^\]]*\]?|"[^"]*"?|'[^']*'?|[^,{}\[\]]+)""")
_OPENING = re.compile(r"""(?:-\s+)?["']?([\w.-]{1,100})["']?\s*:(?:\s*[|>][-+0-9]*)?""")


def is_secret(name: str) -> bool:
    """Tell whether the value of a key or variable called `name` is a secret."""
    return any(_is_secret_word(word) for word in _words(name))


def hidden(path: Sequence[str | int], value: object) -> bool:
    """Tell whether `value`, standing at `path` of a configuration, must not be shown.

    Any text below a key with a telling name is a secret. A number is one only where the last word tells so:
    `password: 12345` is, `max_tokens: 5` is not.
    """
    if value is None or isinstance(value, bool):
        return False
    if tuple(path[:2]) == ("keys", "static"):
        return True
    names = [step for step in path[2 if path and path[0] in _NAMED else 1 :] if isinstance(step, str)]
    if isinstance(value, (int, float)):
        last = (_words(names[-1]) if names else []) or [""]
        return last[-1] != "tokens" and _is_secret_word(last[-1])
    return any(is_secret(name) for name in names)


def mask_text(text: str) -> str:
    """Replace what is recognised as a secret by its form: user and password of a URL, bearer tokens, keys."""
    text = _USERINFO.sub(MASK, text)
    text = _PARAMETER.sub(lambda m: f"{m[1]}={MASK}" if is_secret(m[1]) else m[0], text)
    return _TOKEN.sub(MASK, _BEARER.sub(rf"\1 {MASK}", text))


def mask_line(line: str, *, before: Sequence[str]) -> str:
    """Return a line of a file without the values of secret keys, by its look and that of the lines before it."""
    indent = len(line) - len(line.lstrip())
    for above in reversed(before):
        opening = _OPENING.fullmatch(above.strip())
        if above.strip() and len(above) - len(above.lstrip()) <= indent:
            if opening and (is_secret(opening[1]) or opening[1] == "static") and not _PAIR.match(line.strip()):
                return line[:indent] + MASK
            if len(above) - len(above.lstrip()) < indent:
                break
    return mask_text(_PAIR.sub(_mask_pair, line))


def _mask_pair(pair: re.Match[str]) -> str:
    name, colon, value = pair.groups()
    bare = value.strip("[\"' ")
    is_shown = not bare or bare.startswith(("$", "os.environ/", "env.")) or (bare.isdigit() and name.endswith("tokens"))
    if is_shown or not (is_secret(name) or name == "static"):
        return pair[0]
    return f"{name}{colon}{MASK}"


def _words(name: str) -> list[str]:
    return _WORD.findall(_CAMEL.sub("_", name).lower())


def _is_secret_word(word: str) -> bool:
    return word.endswith(_ENDINGS) or any(part in word for part in _INSIDE)
