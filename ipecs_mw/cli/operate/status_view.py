"""What the daemons say of themselves, in lines of words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.model.numbering.extensions import join_ranges, join_verdicts
from ipecs_mw.model.texts import Texts, join_some
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.store.calls.live_query import Reader
from ipecs_mw.store.coordination.report_runs import Run
from ipecs_mw.store.figures.alarms import Raised
from ipecs_mw.store.figures.place import Behind

Instance = Mapping[str, Any]

_AMISS = {
    "thread_stalled": "thread.stalled",
    "logging_stalled": "logging.stalled",
    "outside_silent": "outside.silent",
}
"""What the daemon finds amiss with itself, and the sentence that says so."""
_WEBHOOKS = {
    "active": "cli.status.webhook_active",
    "paused": "cli.status.webhook_paused",
    "disabled": "cli.status.webhook_disabled",
    "unreachable": "cli.status.webhook_unreachable",
}
_NOBODY_READS = {"gone": "cli.status.reader_gone", "never": "cli.status.reader_never"}
_MOST_ALARMS = 20
_UNREAD = ("unknown", "undecodable")  # kinds of events that firmware of another version may cause


class Beside(NamedTuple):
    """What there is to say beside what daemons say: None, or nothing, where it is not to be seen.

    `gaps` are those of the last 24 hours, by host, `runs` those of reports, `alarms` those that last, `alarm_runs`
    the last mails about alarms, `behind` the hosts whose figures are.
    """

    gaps: Mapping[str, int] | None = None
    reader: Reader | None = None
    runs: Iterable[Run] = ()
    alarms: Sequence[Raised] = ()
    alarm_runs: Iterable[Run] = ()
    behind: Iterable[Behind] = ()


def describe(instances: Sequence[Instance], profile: str, beside: Beside, texts: Texts) -> list[str]:
    """Return the lines for these daemons."""
    gaps = beside.gaps
    if not instances:
        return [texts.render("cli.status.none", profile=profile)]
    lines = []
    for instance in instances:
        lines += _describe_instance(instance, gaps or {}, texts)
    if any(instance["is_alive"] for instance in instances):
        if beside.reader is not None:
            lines += _describe_reader(beside.reader, instances, texts)
        lines += ["  " + line for each in beside.behind for line in _describe_behind(each, texts)]
    lines += _describe_runs(beside.runs, "cli.status.report", texts)
    lines += _describe_alarms(beside.alarms, texts)
    lines += _describe_runs(beside.alarm_runs, "cli.status.alarm_mail", texts)
    return lines if gaps is not None else [*lines, texts.render("cli.status.gaps_unseen")]


def _describe_instance(instance: Instance, gaps: Mapping[str, int], texts: Texts) -> list[str]:
    """Return the lines for one daemon and its hosts."""
    key = "alive" if instance["is_alive"] else "stopped" if instance.get("state") == "stopped" else "dead"
    facts = ("hostname", "pid", "version", "revision")
    lines = [
        texts.render(
            f"cli.status.{key}",
            since=local_time(instance.get("started_at")),
            seen=local_time(instance.get("heartbeat_at")),
            **{name: instance.get(name) for name in facts},
        )
    ]
    if instance.get("is_recalled"):
        lines.append("  " + texts.render("cli.status.recalled"))
    elif recalled_at := instance.get("recalled_at"):
        lines.append("  " + texts.render("cli.status.was_recalled", at=local_time(recalled_at)))
    if refused := instance.get("refused"):
        reason = escape(str(refused.get("reason")))
        lines.append(
            "  " + texts.render("cli.status.refused", at=local_time(refused.get("at")), reason=reason)
        )
    lines += [f"  {line}" for line in _describe_amiss(instance, texts)]
    for name, host in (instance.get("hosts") or {}).items():
        told = _describe_host(name, host, instance.get("heartbeat_at"), gaps.get(name, 0), texts)
        lines += [f"  {line}" for line in told]
    lines += [f"  {line}" for line in _describe_webhooks(instance.get("webhooks") or {}, texts)]
    for name, intake in (instance.get("former_hosts") or {}).items():
        lines.append("  " + texts.render("cli.status.former", name=name, waiting=_count_waiting(intake)))
        if problem := intake.get("problem"):
            lines.append("    " + texts.render("cli.status.problem", detail=escape(problem)))
    return lines


def _describe_webhooks(told: Mapping[str, Any], texts: Texts) -> Iterator[str]:
    """Yield a line for each webhook that this daemon sends for."""
    for each in told.get("webhooks") or ():
        name, state = escape(str(each.get("name"))), each.get("state")
        if problem := each.get("problem"):
            yield texts.render("cli.status.webhook_refused", webhook=name, reason=escape(str(problem)))
            continue
        key = _WEBHOOKS["unreachable" if each.get("is_unreachable") else str(state)]
        since = local_time(each.get("oldest_at")) or "–"
        yield texts.render(key, webhook=name, waiting=each.get("waiting", 0), since=since)


def _describe_reader(reader: Reader, instances: Sequence[Instance], texts: Texts) -> list[str]:
    """Return who reads calls out of the events, and how far behind; or that nobody does."""
    if reader.state in _NOBODY_READS:
        return [texts.render(_NOBODY_READS[reader.state], at=local_time(reader.told_at) or "–")]
    names = {instance["_id"]: instance.get("hostname") for instance in instances}
    lines = [texts.render("cli.status.reader", owner=escape(str(names.get(reader.owner) or reader.owner)))]
    return lines + [
        "  " + texts.render("cli.status.reader_behind", host=escape(host), seconds=f"{seconds:.0f}")
        for host, seconds in reader.list_behind().items()
    ]


def _describe_runs(runs: Iterable[Run], key: str, texts: Texts) -> list[str]:
    """Return a line for each report, or alarm, whose last mail could not be sent."""
    return [
        texts.render(key, report=run.name, at=local_time(run.due_at), detail=escape(run.error))
        for run in runs
        if run.error is not None
    ]


def _describe_behind(behind: Behind, texts: Texts) -> Iterator[str]:
    """Yield how far the figures of a host are behind, and how much of them waits."""
    host = escape(behind.host)
    if behind.is_late:
        yield texts.render("cli.status.figures_behind", host=host, seconds=f"{behind.seconds:.0f}")
    if behind.is_much:
        yield texts.render("cli.status.figures_waiting", host=host, quarters=behind.waiting)


def _describe_alarms(alarms: Sequence[Raised], texts: Texts) -> list[str]:
    """Return a line for each alarm that lasts, and how many more there are."""
    lines = [
        escape(
            texts.render(
                "cli.status.alarm",
                rule=each.rule,
                host=each.host,
                at=local_time(each.since),
                what=each.words,
            )
        )
        for each in alarms[:_MOST_ALARMS]
    ]
    more = len(alarms) - len(lines)
    return [*lines, texts.render("cli.status.alarms_more", count=more)] if more else lines


def _describe_amiss(instance: Instance, texts: Texts) -> list[str]:
    """Return what a daemon finds amiss with itself."""
    found = [(_AMISS.get(str(finding.get("reason"))), finding) for finding in instance.get("amiss") or ()]
    return [escape(texts.render(key, **facts)) for key, facts in found if key is not None]


def _describe_host(
    name: str, host: Mapping[str, Any], seen_at: datetime | None, gaps: int, texts: Texts
) -> list[str]:
    state = texts.render(f"state.{host.get('state')}")
    system = escape(str(host.get("system") or ""))
    lines = [f"{name}: {state} ({local_time(host.get('since'))})  {system}".rstrip()]
    if reason := host.get("reason"):
        lines.append("  " + escape(reason))
    if retry_at := host.get("retry_at"):
        seconds = max(0.0, (retry_at - (seen_at or retry_at)).total_seconds())
        lines.append(
            "  " + texts.render("cli.status.retry", at=local_time(retry_at), seconds=f"{seconds:.0f}")
        )
    lines.append("  " + _describe_events(host, texts))
    lines += [f"  {line}" for line in _describe_trouble(host, seen_at, gaps, texts)]
    return lines + [f"  {line}" for line in _describe_monitors(host.get("monitors") or {}, texts)]


def _describe_monitors(monitors: Mapping[str, Any], texts: Texts) -> list[str]:
    """Return a line for each subscription, and one for the numbers of all that are refused alike."""
    lines = []
    for subscription, verdicts in monitors.items():
        refused = verdicts.get("refused") or {}
        facts = {"accepted": verdicts.get("accepted", 0), "refused": len(refused)}
        lines.append(texts.render(f"cli.status.{subscription}", **facts))
    told: list[tuple[str, list[str]]] = []
    for key in ("refused", "unconnected"):
        found = {name: verdicts[key] for name, verdicts in monitors.items() if verdicts.get(key)}
        for numbers in found.values():
            ranges = join_verdicts(numbers) if isinstance(numbers, Mapping) else join_ranges(numbers)
            if (key, ranges) not in told:
                told.append((key, ranges))
    words = {"refused": "cli.status.numbers_refused", "unconnected": "cli.status.unconnected"}
    return lines + [texts.render(words[key], numbers=escape(join_some(ranges))) for key, ranges in told]


def _describe_events(host: Mapping[str, Any], texts: Texts) -> str:
    received, stored, waiting = host.get("received", 0), host.get("stored", 0), _count_waiting(host)
    return texts.render(
        "cli.status.events",
        received=received,
        others=max(0, stored + waiting - received),
        stored=stored,
        waiting=waiting,
        last=local_time(host.get("last_event_at")) or "–",
        reconnects=host.get("reconnects", 0),
    )


def _count_waiting(intake: Mapping[str, Any]) -> int:
    entries: int = (intake.get("journal") or {}).get("entries", 0)
    return entries


def _describe_trouble(
    host: Mapping[str, Any], seen_at: datetime | None, gaps: int, texts: Texts
) -> list[str]:
    """Return a line for each thing that is not as it should be."""
    lines = []
    journal = host.get("journal") or {}
    if problem := host.get("problem"):
        lines.append(texts.render("cli.status.problem", detail=escape(problem)))
    if (oldest_at := journal.get("oldest_at")) and seen_at:
        # both by the daemon's last heartbeat; a second is on its way and no trouble
        lag_seconds = (seen_at - oldest_at).total_seconds()
        share = f"{journal.get('used_share', 0):.0%}"
        if lag_seconds >= 1:
            lines.append(texts.render("cli.status.lag", seconds=f"{lag_seconds:.0f}", share=share))
    stored = host.get("events") or {}
    if unread := {kind: stored[kind] for kind in _UNREAD if kind in stored}:
        kinds = ", ".join(f"{kind} {count}" for kind, count in unread.items())
        lines.append(texts.render("cli.status.unread", kinds=kinds))
    if gaps:
        lines.append(texts.render("cli.status.gaps", count=gaps))
    return lines
