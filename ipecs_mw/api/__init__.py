"""`ipecs-mw serve`: what applications ask, follow and command, over HTTP and WebSocket."""
