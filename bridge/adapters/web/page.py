"""The page at `/`: what the box is doing, drawn from the API, no asset from anywhere else."""

from importlib.resources import files

from starlette.responses import HTMLResponse


def page() -> HTMLResponse:
    """Return the page."""
    html = files("bridge.adapters.web").joinpath("status.html").read_text(encoding="utf-8")
    return HTMLResponse(
        html,
        headers={
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
            "x-content-type-options": "nosniff",
        },
    )
