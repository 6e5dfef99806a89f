"""One browser and one served call centre for all tests of the page; each signs in anew, and changes its own."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from api_scene import Served, served
from page_scene import BROWSER, DRIVER, Window, browsing, fill, tell_all
from selenium.webdriver.chrome.webdriver import WebDriver
from sites import make_ready

from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.store.server.connection import connect
from ipecs_mw.store.server.embedded import Embedded


@pytest.fixture(scope="session")
def browser() -> Iterator[WebDriver]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("there is no chromium with its chromedriver")
    with browsing() as opened:
        yield opened


@pytest.fixture(scope="session")
def place(browser: WebDriver, mongo: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A call centre whose daemon lives, served by a process that no test ends."""
    folder = tmp_path_factory.mktemp("page")
    name = f"page_{uuid.uuid4().hex[:12]}"
    uri = mongo.access.make_uri(name)
    (folder / "admin.json").write_text(json.dumps({"mongo_uri": uri}))
    with closing(connect(Bootstrap(path=folder / "admin.json", mongo_uri=uri), SystemClock())) as store:
        make_ready(store)
        fill(store)
        stop = threading.Event()
        living = threading.Thread(target=lambda: tell_all(store, stop), daemon=True)
        living.start()
        try:
            with served(store, folder) as process:
                yield process
        finally:
            stop.set()
            living.join()
            store.client.drop_database(name)


@pytest.fixture
def window(browser: WebDriver, place: Served) -> Iterator[Window]:
    """The browser with nothing left of other tests; what a script reported or a policy refused fails the test."""
    opened = Window(browser, place)
    opened.clear()
    yield opened
    opened.leave()
    assert opened.read_faults() == []
