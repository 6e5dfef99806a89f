"""Who is logged in where, and how the bins of groups and their numbers belong together, by what has been told."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ipecs_mw.calls.steps.steps import Step

_RANKS = ("primary", "secondary")
_TOGETHER = timedelta(seconds=5)
_DUTIES = frozenset({"ready", "not_ready"})


class Logins:
    """The agents of a host by station, and its groups.

    ACD events name a group by its bin and call events by its number. `bins` are the numbers as configured; others
    are learned from a login that both kinds of event tell, and where both tell that an agent of one group is ready
    or not; else a bin is taken for the number.
    """

    def __init__(self, bins: Mapping[str, str] | None = None) -> None:
        self._configured = dict(bins or {})
        self._named_by = self._configured  # the bins by which the groups in mind got their names
        self._learned: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._groups: dict[str, dict[str, None]] = {}
        self._told: dict[tuple[str, str, str], dict[str, tuple[str, datetime]]] = {}
        self._renamed: dict[str, None] = {}

    def number_of(self, group_bin: str) -> str:
        """Return the number of the group of a bin."""
        return self._configured.get(group_bin) or self._learned.get(group_bin, group_bin)

    def is_bin(self, name: str) -> bool:
        """Tell whether a name is the bin of a group that is known by its number."""
        known = {**self._learned, **self._configured}
        return name in known and name not in known.values()

    def name_anew(self) -> None:
        """Name the groups in mind as the bins say that are configured now, if they were others before."""
        former, self._named_by = self._named_by, self._configured
        self._rename(
            {
                former.get(group_bin) or self._learned.get(group_bin, group_bin): self.number_of(group_bin)
                for group_bin in {**former, **self._configured}
                if former.get(group_bin) != self._configured.get(group_bin)
            }
        )

    def _rename(self, names: Mapping[str, str]) -> None:
        for station, groups in self._groups.items():
            if not names.keys().isdisjoint(groups):
                self._groups[station] = dict.fromkeys(names.get(group, group) for group in groups)
                self._renamed[station] = None

    def take_renamed(self) -> dict[str, None]:
        """Return the stations whose groups have other names than when it was last asked."""
        renamed, self._renamed = self._renamed, {}
        return renamed

    def agent_at(self, station: str) -> str:
        """Return who is logged in at a station; blank where nobody is known to be."""
        return self._agents.get(station, "")

    def groups_at(self, station: str) -> list[str]:
        """Return the groups that the agent at a station is logged in to."""
        return list(self._groups.get(station, ()))

    def has(self, station: str) -> bool:
        """Tell whether an agent is logged in at a station, as far as is known."""
        return station in self._groups

    def take(self, step: Step) -> None:
        """Take a step of an agent in."""
        take = {
            "login": self._log_in,
            "logout": self._log_out,
            "second_login": self._log_in,
            "ready": self._log_in,
            "not_ready": self._log_in,
            "wrap_up": self._log_in,
            "hot_desk_in": self._move,
            "hot_desk_out": self._move,
        }.get(step.verb)
        if take is not None and step.who:
            take(step)

    def _log_in(self, step: Step) -> None:
        """Note a login; whoever turns ready or not, or wraps up, is logged in too."""
        self._groups.setdefault(step.who, {})
        is_first = True
        logins = _read_logins(step)
        for rank, agent, name, is_bin in logins:
            if agent:
                if is_first and step.verb == "login":
                    self._agents[step.who] = agent
                self._agents.setdefault(step.who, agent)
                is_first = False
                self._learn(step, rank, agent, name, is_bin=is_bin)
            if step.verb in _DUTIES and len(logins) == 1:
                self._learn(step, step.verb, "", name, is_bin=is_bin)
            number = self.number_of(name) if is_bin else name
            if number:
                self._groups[step.who][number] = None

    def _learn(self, step: Step, what: str, agent: str, name: str, *, is_bin: bool) -> None:
        """Learn the number of a bin from what both kinds of event tell within seconds.

        Without the agent only where the station is in no other group: which of them is meant cannot be known.
        """
        at = step.moment.received
        told = self._told.setdefault((step.who, what, agent), {})
        told["bin" if is_bin else "number"] = (name, at)
        group_bin, number = (
            told[key][0] if key in told and at - told[key][1] <= _TOGETHER else ""
            for key in ("bin", "number")
        )
        is_certain = bool(agent) or self._groups[step.who].keys() <= {group_bin, number}
        if group_bin and number and is_certain:
            del self._told[step.who, what, agent]
            self._learned.setdefault(group_bin, number)
            self._rename({group_bin: self.number_of(group_bin)})

    def _log_out(self, step: Step) -> None:
        groups = self._groups.get(step.who, {})
        if not step.bin and "device_number" not in step.facts:
            groups.clear()
        for _rank, _agent, name, is_bin in _read_logins(step):
            groups.pop(self.number_of(name) if is_bin else name, None)
        if not groups:
            self._groups.pop(step.who, None)
            self._agents.pop(step.who, None)

    def _move(self, step: Step) -> None:
        """Hot desking: the agent goes from one station to the other."""
        come, gone = (step.who, step.other) if step.verb == "hot_desk_in" else (step.other, step.who)
        if (agent := self._agents.pop(gone, "")) and come:
            self._agents[come] = agent
        if (groups := self._groups.pop(gone, None)) is not None and come:
            self._groups[come] = groups


def _read_logins(step: Step) -> list[tuple[str, str, str, bool]]:
    """Return rank, agent, group and whether that is a bin, for each login that a step tells."""
    facts = step.facts
    if "device_number" not in facts:
        rank = _RANKS[step.verb == "second_login"]
        return [(rank, str(facts.get("user_id") or ""), step.bin, True)]
    found = [
        (rank, str(facts.get(f"{rank}_agent_id") or ""), str(facts.get(f"{rank}_acd_group") or ""), False)
        for rank in _RANKS
    ]
    return [each for each in found if each[1] or each[2]]
