"""Server-rendered pages: one frame, one style sheet, no script at all, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from studiolo.wire.http import Answer


def page(title: str, body: str, status: int = 200, *, forms_to: Sequence[str] = (), refresh: str = "") -> Answer:
    """A page of ours.

    Args:
        title: its heading, as text.
        body: HTML; whatever comes from elsewhere in it was escaped.
        status: the HTTP status.
        forms_to: origins beside our own that a form of the page may be sent, or sent on, to.
        refresh: an address of ours that the browser goes on to by itself.
    """
    onward = f'<meta http-equiv="refresh" content="0;url={escape(refresh)}">' if refresh else ""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Studiolo</title>{onward}<link rel="stylesheet" href="/page.css"></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return Answer(status, text.encode(), page_headers(forms_to))


def page_headers(forms_to: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The headers of such a page, beside those that every answer has."""
    targets = " ".join(("'self'", *forms_to))
    policy = f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    return [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", policy),
        # Not 'no-referrer': that would also hide the origin of the forms that these pages post.
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ]


def hidden(**values: str) -> str:
    """Hidden fields of a form."""
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in values.items())


def field(name: str, label: str, *, kind: str = "text", autocomplete: str = "off", hint: str = "", value: str = "") -> str:
    """A labelled field of a form that must be filled; `hint` is read out with it."""
    described = f' aria-describedby="{name}-hint"' if hint else ""
    told = f'<small id="{name}-hint">{escape(hint)}</small>' if hint else ""
    shape = ' inputmode="numeric"' if autocomplete == "one-time-code" else ""
    return (
        f'<p class="field"><label for="{name}">{escape(label)}</label>{told}'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{autocomplete}" value="{escape(value)}" required'
        f' autocapitalize="none" spellcheck="false"{shape}{described}></p>'
    )


def problem(text: str) -> str:
    """A line that says what went wrong, told at once by a screen reader."""
    return f'<p class="problem" role="alert">{escape(text)}</p>' if text else ""
