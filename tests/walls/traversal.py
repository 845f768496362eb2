"""Three hundred names that have led out of their folder somewhere: in paths, archives, registries, file systems."""

from __future__ import annotations

from collections.abc import Iterator

_UPS = (
    "..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "..;", "..%00", "..%20", "....",
)  # fmt: skip
_SEPARATORS = (
    "/", "%2f", "%5c", "\\", "%252f", "%255c", "%c0%af", "%e0%80%af", "%c1%9c", "//", "/./", ";/", "%00/", "%0d%0a/", "%ef%bc%8f",
    "%e2%88%95", "%uff0f", "%09/", "\\/",
)  # fmt: skip
_WHOLE = (
    "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "file:///etc/passwd", "C:\\Windows\\win.ini", "C:%5cWindows",
    "\\\\server\\share", "%5c%5cserver%5cshare", "~/.ssh/id_rsa", "$HOME/.ssh", "%24%7bHOME%7d", ".", "..", "%2e", "%2e%2e",
    "./", "../", "a/..", "a/../..", "a/%2e%2e/b", "a/./b", "a//b", "a/", "/a", "%00", "a%00.txt", "a%0a", "a%0d%0ahost:%20evil",
    "a%7f", "a%1b[2J", "a%80", "a%ff", "%", "%2", "%zz", "%u002e", "a%25", "a%2525", "a?b", "a%3fb", "a#b", "a%23b", "a%3a",
    "a%3a%3a$DATA", "CON", "NUL", "aux.", "name.", "name%20", "%20name", "name%e2%80%ae", "%e2%80%8b", "%ef%bb%bfname", "%cc%81",
    "e%cc%81/..", "..%c2%a0", "studiolo.db%00", ".git/config", ".env", "..data", "..%2e", "...%2f", "%2e%2e%2e",
    "a%2f..%2f..%2f", "a%5c..%5c..%5c", "a;/../b", "a/;/../b", "*", "%2a", "[x]", "%5bconcat('.','.')%5d",
)  # fmt: skip


def names(target: str = "secret.txt") -> Iterator[str]:
    """The corpus, each as it stands in a request line; `target` is what they reach for."""
    for up in _UPS:
        for separator in _SEPARATORS:
            yield f"{up}{separator}{target}"
    yield from _WHOLE
    for depth in range(2, 9):
        yield f"{'../' * depth}{target}"
        yield f"{'..%2f' * depth}{target}"
        yield f"x/{'%2e%2e/' * depth}{target}"
