"""Conference groups, which call their members, and conference rooms, which wait for them."""

from dataclasses import dataclass, field

from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.pbx.ringing import NEW_CALL, cause
from ipecs_mw.simulator.wire.refusals import refuse
from ipecs_mw.simulator.wire.spelling import Data

_CANCEL, _MOST_GROUPS, _OPENING_MEMBERS = 999, 265, 2


@dataclass(eq=False)
class ConferenceGroup:
    """A group call in progress: its master and its members by index."""

    master: str
    ref: int
    members: dict[int, str] = field(default_factory=dict)
    muted: set[int] = field(default_factory=set)


class Conferences:
    """The conference groups that talk and the rooms that are open."""

    def __init__(self, pbx: Pbx) -> None:
        self._pbx = pbx
        self._groups: dict[int, ConferenceGroup] = {}
        self._rooms: dict[int, str] = {}

    def start(self, number: str, index: int) -> None:
        """Call the first members of a group; 999 cancels the station's groups. Raises CommandRefused."""
        pbx = self._pbx
        station = pbx.station(number)
        if index == _CANCEL:
            for own in [i for i, group in self._groups.items() if group.master == number]:
                for member in list(self._groups[own].members):
                    self._remove(own, member)
                del self._groups[own]
            return
        if index > _MOST_GROUPS:
            raise refuse("invalidParameterValue")
        if index in self._groups or station.calls:
            raise refuse("resourceBusy")
        ref = pbx.next_ref()  # its members are the group's, not the switchboard's
        group = self._groups[index] = ConferenceGroup(number, ref)
        pbx.tell(number, "proceeding", dialDigit=str(index), callRefID=ref)
        others = [n for n, s in pbx.stations.items() if s.is_registered and n != number and not s.calls]
        for at, other in enumerate([number, *others[:_OPENING_MEMBERS]], 1):
            parties = {"callingDN": number, "calledDN": other, **cause(NEW_CALL)}
            pbx.tell(other, "alerting", **parties, callRefID=ref)
            pbx.tell(other, "connected", **parties, callRefID=ref)
            group.members[at] = other
            self._tell_member(index, at, "connected")

    def add(self, number: str, index: int, at: int, member: str) -> None:
        """Add a member to a group. Raises CommandRefused: only its master may."""
        group = self._own(number, index)
        if at in group.members:
            raise refuse("resourceBusy")
        group.members[at] = member
        self._tell_member(index, at, "connected")

    def drop(self, number: str, index: int, at: int) -> None:
        """Take a member out of a group. Raises CommandRefused."""
        group = self._own(number, index)
        if at not in group.members:
            raise refuse("invalidParameterValue")
        self._remove(index, at)

    def mute(self, number: str, index: int, at: int, *, is_on: bool) -> None:
        """Mute a member of a group, or let it speak. Raises CommandRefused."""
        group = self._own(number, index)
        if at not in group.members:
            raise refuse("invalidParameterValue")
        (group.muted.add if is_on else group.muted.discard)(at)
        self._pbx.tell(
            number, "setmuteon", groupIndex=index, memberIndex=at, muteOn="true" if is_on else "false"
        )

    def room(self, number: str, index: int) -> Data:
        """Return the state of a room. Raises CommandRefused."""
        self._pbx.station(number)
        is_open = index in self._rooms
        return {
            "roomIndex": index,
            "roomUsage": "true" if is_open else "false",
            "memberCount": 0,
            "member": [],
        }

    def set_room(self, number: str, index: int, password: str, *, is_open: bool) -> None:
        """Open a room with a password, or close it with the same one. Raises CommandRefused."""
        self._pbx.station(number)
        if self._rooms.get(index, password) != password:
            raise refuse("InvalidPassword")
        if is_open:
            self._rooms[index] = password
        else:
            self._rooms.pop(index, None)
        self._pbx.tell(number, "confroommember", **self.room(number, index))

    def _own(self, number: str, index: int) -> ConferenceGroup:
        self._pbx.station(number)
        group = self._groups.get(index)
        if group is None:
            raise refuse("InvalidState")
        if group.master != number:
            raise refuse("AccessDenied")
        return group

    def _remove(self, index: int, at: int) -> None:
        self._tell_member(index, at, "idle")
        del self._groups[index].members[at]

    def _tell_member(self, index: int, at: int, state: str) -> None:
        group = self._groups[index]
        self._pbx.tell(
            group.master,
            "confgroupmember",
            groupIndex=index,
            groupUsage="true",
            memberIndex=at,
            memberDN=group.members[at],
            memberState=state,
        )
