"""Event intake over HTTP, WebSocket fan-out, the web page."""
