"""What is told as it happens: the hub, the WebSocket and what a page starts from."""
