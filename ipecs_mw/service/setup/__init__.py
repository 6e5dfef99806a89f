"""From a start to a running daemon: start order, loading, following what changes in MongoDB, retention."""
