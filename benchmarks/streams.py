"""What an open change stream costs MongoDB: it looks at every event that is written, whoever the stream is for."""

import statistics
import threading
from pathlib import Path

from rates import build_documents
from rows import Row
from scene import Scene, open_scene, read_cpu_seconds

from ipecs_mw.store.configuration.changes import watch_changes
from ipecs_mw.store.server.embedded import Embedded

_BATCH = 1000
_ROUNDS = 5


def measure_streams(mongo: Embedded, folder: Path, events: int) -> list[Row]:
    """Return the row of mongod's processor time an event while the daemon's change stream is open."""
    documents = build_documents(events)
    pid = int((mongo.directory / "data" / "mongod.lock").read_text())

    def insert(scene: Scene) -> float:
        before = read_cpu_seconds(pid)
        for at in range(0, events, _BATCH):
            scene.events.insert_many(documents[at : at + _BATCH])
        return (read_cpu_seconds(pid) - before) / events

    def measure(*, is_watched: bool) -> float:
        with open_scene(mongo, folder) as scene:
            if not is_watched:
                return insert(scene)
            is_open, is_over = threading.Event(), threading.Event()

            def watch() -> None:
                for _ in watch_changes(scene.store):
                    is_open.set()
                    if is_over.is_set():
                        return

            watcher = threading.Thread(target=watch)
            watcher.start()
            is_open.wait(30)
            try:
                return insert(scene)
            finally:
                is_over.set()
                watcher.join()

    rounds = [(measure(is_watched=True), measure(is_watched=False)) for _ in range(_ROUNDS)]
    ratio = statistics.median(watched / alone for watched, alone in rounds)
    value = statistics.median(watched for watched, _ in rounds)
    name = "mongod's processor time an event, one change stream open"
    return [Row("streams", name, 1e6 * value, "µs", "none open", 1e6 * value / ratio)]
