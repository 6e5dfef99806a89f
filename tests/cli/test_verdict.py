"""A change waits for the word of the running daemon, and tells it."""

from sites import Site, is_up, wait_until

from ipecs_mw.simulator import SimulatedHost


def test_a_change_tells_whether_the_daemon_takes_it(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site))
    taken = site.run("config", "set", "events.retention_days", "30")
    assert (taken.returncode, "uses it now" in taken.stdout) == (0, True), taken.stderr
    for arguments in (
        ("set", "hosts[host0].password", '{"env": "NOT_THERE"}'),
        ("set", "logging.file", "/proc/no/such/file"),
        ("rollback", "4"),
    ):
        refused = site.run("config", *arguments)
        assert refused.returncode == 1, refused.stdout
        assert "refuses revision" in refused.stderr
        assert "NOT_THERE" in refused.stderr
    assert site.run("config", "rollback", "3").returncode == 0


def test_a_change_without_a_daemon_says_so_at_once(site: Site) -> None:
    done = site.run("config", "set", "locale", "de-DE")
    assert (done.returncode, "No daemon runs with the profile default" in done.stdout) == (0, True)
